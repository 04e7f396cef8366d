import pg from 'pg';
import { LockdError } from '../core/errors.ts';
import type { Names } from '../core/known.ts';
import { type Hosts, hostsOf } from './hosts.ts';

/** Where the database is. */
export interface DatabaseOptions {
  /**
   * `postgres://…`, as `pg` reads it. Without it and `connection`: the `PG*` variables. Several hosts,
   * as libpq takes them (`postgres://user@h1:5432,h2:5432/db`): whichever is the primary.
   */
  readonly connectionString?: string | undefined;
  /** Anything else a `pg.Client` takes: host, TLS, a password function, … */
  readonly connection?: pg.ClientConfig | undefined;
  /** The schema lockd was migrated into. Default: `lockd`. */
  readonly schema?: string | undefined;
}

export const databaseOptions: Names<DatabaseOptions> = {
  connectionString: true,
  connection: true,
  schema: true,
};

export interface Database {
  readonly hosts: Hosts;
  /** Quoted, ready to stand before a dot. */
  readonly schema: string;
}

export function settleDatabase({
  connectionString,
  connection,
  schema = 'lockd',
}: DatabaseOptions): Database {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) {
    throw new LockdError(
      'LOCKD_INVALID_OPTION',
      `Expected \`schema\` to be a lower-case identifier of at most 63 characters, got ${JSON.stringify(schema.slice(0, 80))}.`,
    );
  }
  if (connectionString === '') {
    throw new LockdError(
      'LOCKD_INVALID_OPTION',
      'Expected `connectionString` to name a database, got "". Leave it out to use the PG* variables.',
    );
  }
  refuseMisread(connectionString);
  const hosts = hostsOf({ connectionString, connection });
  try {
    for (const config of hosts.all) new pg.Client(config);
  } catch (cause) {
    const { code, path } = cause as { code?: unknown; path?: string };
    if (path === undefined) throw unreadable('cannot be read', code);
    throw new LockdError(
      'LOCKD_INVALID_OPTION',
      `Expected the files that the address names (sslrootcert, sslcert, sslkey) to be readable, got ${code} for ${path}.`,
    );
  }
  return { hosts, schema: pg.escapeIdentifier(schema) };
}

const sslModes: readonly (string | null | undefined)[] = [
  ...['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'],
  ...['', null, undefined],
];

/** What pg takes without a word: any scheme, and a misspelt mode for a connection without TLS. */
function refuseMisread(address: string | undefined): void {
  if (address !== undefined && !/^(postgres(ql)?:\/\/|socket:|\/)/i.test(address)) {
    throw unreadable('does not begin like this');
  }
  const [, query] = address?.split('?', 2) ?? [];
  const asked = { sslmode: new URLSearchParams(query).get('sslmode') };
  for (const [name, mode] of Object.entries({ ...asked, PGSSLMODE: process.env['PGSSLMODE'] })) {
    if (sslModes.includes(mode)) continue;
    throw new LockdError(
      'LOCKD_INVALID_OPTION',
      `Expected \`${name}\` to be one of ${sslModes.filter(Boolean).join(', ')}, got ${JSON.stringify(mode)}.`,
    );
  }
}

/** Neither the address nor pg's words about it: both may hold the password. */
export const unreadable = (why: string, cause?: unknown): LockdError =>
  new LockdError(
    'LOCKD_INVALID_OPTION',
    `Expected a database address such as postgres://user@host:5432/database, got one that ${why}. Percent-encode what is special in user and password.`,
    { cause },
  );
