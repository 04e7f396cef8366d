import { migrate as apply } from '../postgres/migrate.ts';
import { visitDatabase } from './database.ts';
import { ExitCode } from './exit-codes.ts';
import type { CommonOptions } from './options.ts';
import { print, printJson } from './output.ts';

/** `lockd migrate` */
export function migrate(options: CommonOptions): Promise<number> {
  return visitDatabase(options, async ({ options: database, describe, migrated }) => {
    const { applied } = await apply(database);
    const files = [...migrated, ...applied];
    if (options.isJson) printJson({ applied: files });
    else if (files.length === 0) print(`nothing to apply: ${describe} is up to date`);
    else print(files.map((file) => `applied ${file}`).join('\n'));
    return ExitCode.ok;
  });
}
