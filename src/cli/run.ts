import { migrate } from '../postgres/migrate.ts';
import { openDatabase } from './database.ts';
import { ExitCode } from './exit-codes.ts';
import { runGuarded, timings } from './guarded.ts';
import type { CommandOptions } from './options.ts';

/** Runs the command only while this instance leads. This process becomes the guard. */
export async function run(
  name: string,
  command: string[],
  options: CommandOptions,
): Promise<number> {
  await using database = await openDatabase(options);
  if (options.isMigrating) await migrate(database.options);
  const settings = { ...timings(name, options), command, database: database.options };
  const outcome = await runGuarded(settings, options);
  switch (outcome.is) {
    case 'exited':
      return outcome.exitCode;
    case 'stopped':
      return ExitCode.ok;
    case 'lost':
      return ExitCode.lost;
  }
}
