import { messageOf } from '../core/errors.ts';
import type { DatabaseOptions } from '../postgres/connection.ts';
import { describeDatabase } from '../postgres/describe.ts';
import { located, usageError } from './errors.ts';
import { say } from './output.ts';

export interface OpenDatabase extends AsyncDisposable {
  readonly options: DatabaseOptions;
  /** For people; without a password. */
  readonly describe: string;
  /** Nobody named a database: it is the one for development, which this process keeps running. */
  readonly isDevelopment: boolean;
  /** The files that were applied in opening it: only the one for development is migrated unasked. */
  readonly migrated: readonly string[];
  /** May be called twice. */
  close(): Promise<void>;
}

export interface DatabaseChoice {
  /** `--database-url`, else `LOCKD_DATABASE_URL`. */
  readonly databaseUrl?: string | undefined;
  readonly schema?: string | undefined;
}

/** `pg` takes these for the parts an address leaves out; any of them names a database. */
const naming = ['PGHOST', 'PGPORT', 'PGDATABASE', 'PGUSER'] as const;

/**
 * The database that was named: by flag, `LOCKD_DATABASE_URL`, `DATABASE_URL`, `PG*`, in this order;
 * where none was, the embedded one for development, migrated. A variable that is set but empty is
 * refused: a deployment that lost its address must not quietly begin to lead somewhere else.
 */
export async function openDatabase(
  { databaseUrl, schema }: DatabaseChoice,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<OpenDatabase> {
  const address = databaseUrl ?? environment['DATABASE_URL'];
  if (address !== undefined) {
    if (address === '') {
      const given =
        environment['LOCKD_DATABASE_URL'] === '' ? 'LOCKD_DATABASE_URL' : '--database-url';
      const name = databaseUrl === undefined ? 'DATABASE_URL' : given;
      throw usageError(
        `Expected ${name} to name a database, but it is set and empty. Unset it, or set it to postgres://…`,
      );
    }
    return named({ connectionString: address, schema });
  }
  if ((environment['PGSERVICE'] ?? '') !== '') {
    throw usageError(
      'PGSERVICE is set, but lockd reads no service files. Set PGHOST, PGDATABASE and PGUSER, or DATABASE_URL.',
    );
  }
  if (naming.some((name) => (environment[name] ?? '') !== '')) return named({ schema });
  return development(schema);
}

/** Opens the database for one verb, names it in whatever goes wrong there, and closes it. */
export async function visitDatabase<Answer>(
  choice: DatabaseChoice,
  visit: (database: OpenDatabase) => Promise<Answer>,
): Promise<Answer> {
  await using database = await openDatabase(choice);
  try {
    return await visit(database);
  } catch (error) {
    throw located(error, database.describe);
  }
}

function named(options: DatabaseOptions): OpenDatabase {
  const close = async (): Promise<void> => {};
  return {
    options,
    describe: describeDatabase(options),
    isDevelopment: false,
    migrated: [],
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** An installed lockd has no PostgreSQL to start. Said before anything is made on this machine. */
export async function expectEmbedded(): Promise<void> {
  const { packagedVersion } = await import('../embedded/binaries.ts');
  try {
    packagedVersion();
  } catch (error) {
    throw usageError(messageOf(error));
  }
}

async function development(schema: string | undefined): Promise<OpenDatabase> {
  await expectEmbedded();
  const { openDevelopmentDatabase } = await import('../embedded/development.ts');
  const { migrate } = await import('../postgres/migrate.ts');
  const { url, dataDirectory, close } = await openDevelopmentDatabase();
  const options = { connectionString: url, schema };
  say(`lockd: no database named: using the development database in ${dataDirectory}`);
  try {
    const { applied } = await migrate(options);
    return {
      options,
      describe: `the development database in ${dataDirectory}`,
      isDevelopment: true,
      migrated: applied,
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
