import { constants } from 'node:os';
import { basename } from 'node:path';
import { isText } from '../core/checks.ts';
import { isLockdError } from '../core/errors.ts';
import { settleRequest } from '../core/locks/options.ts';
import { settleLocks } from '../core/locks/settings.ts';
import type { Mode } from '../core/locks/store.ts';
import { migrate } from '../postgres/migrate.ts';
import { openDatabase } from './database.ts';
import { isAboutResource, located, usageError } from './errors.ts';
import { ExitCode, signalBase } from './exit-codes.ts';
import { runGuarded, timings } from './guarded.ts';
import type { CommandOptions } from './options.ts';

export interface LockOptions extends CommandOptions {
  readonly mode: Mode;
  /** Undefined: as long as it takes. */
  readonly waitMs: number | undefined;
  /** The longest time for the command. `ttlMs` is that of the lease. */
  readonly limitMs: number | undefined;
  readonly owner: string | undefined;
  readonly reason: string | undefined;
}

/** Runs the command while it holds the resource. This process becomes the guard. */
export async function lock(
  resource: string,
  command: string[],
  options: LockOptions,
): Promise<number> {
  const { mode, waitMs, limitMs, reason } = options;
  const timed = timings(resource, options);
  const owner = options.owner ?? ownerOf(command, timed.instance);
  // Before anything is made or asked.
  settleRequest(resource, { mode, owner, reason, waitMs, ttlMs: limitMs });
  checkLease(timed);
  await using database = await openDatabase(options);
  if (options.isMigrating) await migrate(database.options);
  const hold = {
    resource,
    mode,
    owner,
    reason,
    waitMs,
    ttlMs: limitMs,
    lostExitCode: ExitCode.lost,
  };
  try {
    const settings = { ...timed, hold, command, database: database.options };
    const outcome = await runGuarded(settings, options);
    switch (outcome.is) {
      case 'exited':
        return outcome.exitCode;
      case 'stopped':
        return signalBase + constants.signals[outcome.signal];
      case 'lost':
        return ExitCode.lost;
    }
  } catch (error) {
    throw isAboutResource(error) ? error : located(error, database.describe);
  }
}

/** `--ttl` is the command's time here: what is wrong with the lease is told of a flag of its own. */
function checkLease({ options, instance }: ReturnType<typeof timings>): void {
  const { name: _, takeover: __, ...lease } = options;
  try {
    settleLocks(lease, instance);
  } catch (error) {
    if (!isLockdError(error)) throw error;
    throw usageError(error.message.replaceAll('`ttlMs`', '`leaseMs`'));
  }
}

/** One for each call, or two of one host would be refused where they should wait; and told apart by people. */
function ownerOf([program = '']: readonly string[], instance: string): string {
  const name = basename(program);
  return `${isText(name, 100) ? name : 'command'}#${instance.slice(0, 8)}`;
}
