import pg from 'pg';
import type { LockdError } from '../core/errors.ts';
import { kindOf, type Names, refuseUnknown } from '../core/known.ts';
import {
  hasPort,
  invalid,
  refuseMisread,
  refusePort,
  refuseSslMode,
  unreadable,
} from './address.ts';
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
  /** The schema lockd was migrated into. @default `lockd` */
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

/** What a `pg.Client` takes, and a pool: its settings are often given to us as well. */
const connectionOptions: Names<pg.PoolConfig & pg.Defaults> & Readonly<Record<string, true>> = {
  user: true,
  database: true,
  password: true,
  port: true,
  host: true,
  connectionString: true,
  ssl: true,
  sslnegotiation: true,
  enableChannelBinding: true,
  stream: true,
  types: true,
  options: true,
  client_encoding: true,
  application_name: true,
  fallback_application_name: true,
  keepAlive: true,
  keepAliveInitialDelayMillis: true,
  connectionTimeoutMillis: true,
  statement_timeout: true,
  query_timeout: true,
  lock_timeout: true,
  idle_in_transaction_session_timeout: true,
  pipeline: true,
  binary: true,
  replication: true,
  scramMaxIterations: true,
  connection: true,
  Promise: true,
  parseInt8: true,
  parseInputDatesAsUTC: true,
  max: true,
  min: true,
  poolSize: true,
  poolIdleTimeout: true,
  reapIntervalMillis: true,
  idleTimeoutMillis: true,
  log: true,
  allowExitOnIdle: true,
  maxUses: true,
  maxLifetimeSeconds: true,
  Client: true,
  onConnect: true,
  verify: true,
};

export function settleDatabase(options: DatabaseOptions): Database {
  const { connection, schema = 'lockd' } = options;
  refuseSchema(schema);
  if (connection !== undefined) {
    refuseUnknown(connection, connectionOptions, 'in `connection`');
    refuseKinds(connection);
  }
  const connectionString = addressOf(options);
  if (connectionString === undefined) refuseLost(options);
  else refuseMisread(connectionString);
  refusePorts(connectionString, connection);
  refuseSslMode('PGSSLMODE', process.env['PGSSLMODE']);
  const hosts = hostsOf({ connectionString, connection });
  try {
    for (const config of hosts.all) new pg.Client(config);
  } catch (cause) {
    const { code, path } = cause as { code?: unknown; path?: string };
    if (path === undefined) throw unreadable('cannot be read', code);
    throw invalid(
      `Expected the files that the address names (sslrootcert, sslcert, sslkey) to be readable, got ${code} for ${path}.`,
    );
  }
  return { hosts, schema: pg.escapeIdentifier(schema) };
}

function refuseSchema(schema: unknown): void {
  if (typeof schema !== 'string' || !/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) {
    const got = typeof schema === 'string' ? JSON.stringify(schema.slice(0, 80)) : kindOf(schema);
    throw invalid(
      `Expected \`schema\` to be a lower-case identifier of at most 63 characters, got ${got}.`,
    );
  }
  if (!schema.startsWith('pg_') && schema !== 'information_schema') return;
  throw invalid(
    `Expected \`schema\` to be a name of ours, got ${JSON.stringify(schema)}: information_schema and names that begin with pg_ are the server's.`,
  );
}

/** `pg` finds out in a callback of the socket, where nobody can catch it. */
function refuseKinds(connection: pg.ClientConfig): void {
  for (const name of ['host', 'user', 'database', 'options'] as const) {
    const value: unknown = connection[name] ?? undefined;
    if (value === undefined || typeof value === 'string') continue;
    throw invalid(`Expected \`connection.${name}\` to be a string, got ${kindOf(value)}.`);
  }
}

/** From either place it may stand in. */
function addressOf({ connectionString, connection }: DatabaseOptions): string | undefined {
  const inner = connection?.connectionString;
  for (const address of [connectionString, inner]) {
    if (address !== undefined && typeof address !== 'string') {
      throw invalid(
        `Expected \`connectionString\` to be a string, got ${kindOf(address)}. Of a URL, give its \`href\`.`,
      );
    }
    if (address === '') {
      throw invalid(
        'Expected `connectionString` to name a database, got "". Leave it out to use the PG* variables.',
      );
    }
  }
  const address = connectionString ?? inner;
  if (address === undefined) return undefined;
  if (inner !== undefined && inner !== address) throw contradiction('connectionString');
  const hidden = naming.find((name) => isGiven(connection?.[name]));
  if (hidden !== undefined) throw contradiction(hidden);
  return address;
}

/** What says where to go. `pg` heeds none of it beside an address. */
const naming = ['host', 'port', 'user', 'database'] as const;

const isGiven = (value: unknown): boolean => (value ?? '') !== '';

const contradiction = (name: string): LockdError =>
  invalid(
    `Expected an address or \`connection.${name}\`, got both. Name it in the address, or leave \`connectionString\` out.`,
  );

/** A program that lost its address must not quietly lead in whatever database is on this machine. */
function refuseLost(options: DatabaseOptions): void {
  const { connection } = options;
  if (!Object.hasOwn(options, 'connectionString')) return;
  if ([...naming, 'stream' as const].some((name) => isGiven(connection?.[name]))) return;
  if (naming.some((name) => isGiven(process.env[`PG${name.toUpperCase()}`]))) return;
  throw invalid(
    'Expected `connectionString` to name a database, got undefined: DATABASE_URL unset? Set it, or PGHOST and PGDATABASE, or leave the option out for a server on this machine.',
  );
}

function refusePorts(address: string | undefined, connection: pg.ClientConfig | undefined): void {
  const { port } = connection ?? {};
  const variable = process.env['PGPORT'];
  if (address === undefined && isGiven(port)) refusePort('connection.port', port);
  else if (isGiven(variable) && !hasPort(address ?? '')) refusePort('PGPORT', variable);
}
