import { grantScript } from '../postgres/grants.ts';
import { migrate as apply, readMissing } from '../postgres/migrate.ts';
import { visitDatabase } from './database.ts';
import { ExitCode } from './exit-codes.ts';
import type { CommonOptions } from './options.ts';
import { print, printJson, printScript } from './output.ts';

export interface MigrateOptions extends CommonOptions {
  /** Change nothing: say what is missing, and exit with 1 if anything is. */
  readonly isChecking: boolean;
  /** Change nothing: print what is missing, as SQL. */
  readonly isPrinting: boolean;
}

/** `lockd migrate` */
export function migrate(options: MigrateOptions): Promise<number> {
  const { isChecking, isPrinting, isJson } = options;
  return visitDatabase(options, async ({ options: database, describe, migrated }) => {
    const upToDate = `nothing to apply: ${describe} is up to date`;
    if (isChecking || isPrinting) {
      const { files, script } = await readMissing(database);
      if (isPrinting) printScript(script === '' ? `-- ${upToDate}` : script);
      else if (isJson) printJson({ missing: files });
      else print(files.length === 0 ? upToDate : files.map((file) => `missing ${file}`).join('\n'));
      return isChecking && files.length > 0 ? ExitCode.nobody : ExitCode.ok;
    }
    const { applied } = await apply(database);
    const files = [...migrated, ...applied];
    if (isJson) printJson({ applied: files });
    else print(files.length === 0 ? upToDate : files.map((file) => `applied ${file}`).join('\n'));
    return ExitCode.ok;
  });
}

/** `lockd migrate --print-grants ROLE`: no database is asked. */
export function printGrants(role: string, { schema }: CommonOptions): number {
  printScript(grantScript(role, { schema }));
  return ExitCode.ok;
}
