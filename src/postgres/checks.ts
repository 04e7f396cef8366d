/** What is refused before anything is asked of a server, with the remedy in the message. */
import { LockdError } from '../core/errors.ts';
import { replica } from './failures.ts';
import { shippedMigrations } from './migrations.ts';
import { Session, type SessionSettings } from './session.ts';

const oldestVersion = 140_000;

export interface Server {
  /** As the backend itself says. */
  readonly backend: number;
}

/** Refuses servers and connections on which the protocol would not hold. */
export async function checkServer(session: Session, settings: SessionSettings): Promise<Server> {
  const server = await checkKind(session);
  if (server.backend !== session.announcedBackend)
    await refuseTransactionPooling(session, settings);
  return server;
}

/** Refuses what is not a primary of a PostgreSQL that is new enough. */
export async function checkKind(session: Session): Promise<Server> {
  const { rows } = await session.bounded(
    `select version(), current_setting('server_version_num')::int as number,
            pg_is_in_recovery() as is_replica, pg_backend_pid() as backend`,
  );
  const { version, number, is_replica: isReplica, backend } = rows[0];
  if (
    !version.startsWith('PostgreSQL') ||
    /cockroach|yugabyte|redshift|materialize/i.test(version)
  ) {
    throw new LockdError(
      'LOCKD_SERVER',
      `This server calls itself ${JSON.stringify(version.slice(0, 80))}: lockd needs PostgreSQL, whose session advisory locks are real.`,
    );
  }
  if (number < oldestVersion) {
    throw new LockdError(
      'LOCKD_SERVER',
      `This server is ${version.split(' on ')[0]}: lockd needs PostgreSQL 14 or later, which can end idle sessions.`,
    );
  }
  if (isReplica) throw replica();
  return { backend };
}

const poolingRounds = 5;

/**
 * Behind a proxy. Session pooling is fine: a backend of our own. Under transaction pooling a
 * connection finds itself on the backend of another one, or changes its backend while the other one's
 * transaction keeps it. Nothing is set for it: it would be left on a backend that others are given. On a busy pool one look may miss it; each attempt looks once more.
 */
export async function refuseTransactionPooling(
  first: Session,
  settings: SessionSettings,
): Promise<void> {
  const second = await Session.open(settings);
  try {
    for (let round = 0; round < poolingRounds; round += 1) {
      if (await isShared(first, second)) throw transactionPooling();
    }
  } finally {
    await second.close();
  }
}

async function isShared(first: Session, second: Session): Promise<boolean> {
  const before = await backendOf(first);
  await second.bounded('begin');
  // A pool of one has no other backend to answer from as long as this one is taken.
  const isOurs = (await backendOf(second)) === before;
  const isOther = !isOurs && (await backendOf(first)) !== before;
  await second.bounded('rollback');
  return isOurs || isOther;
}

async function backendOf(session: Session): Promise<number> {
  const { rows } = await session.bounded('select pg_backend_pid() as backend');
  return rows[0].backend;
}

export const transactionPooling = (): LockdError =>
  new LockdError(
    'LOCKD_POOLER',
    'This connection goes through a transaction pooler: session locks would belong to nobody. Connect to PostgreSQL directly, or use a pool in session mode for lockd.',
  );

/** Refuses a database that this version of lockd has not been migrated into. */
export async function checkSchema(session: Session, schema: string): Promise<void> {
  const { rows: found } = await session.bounded('select to_regclass($1) is not null as is_there', [
    `${schema}.migration`,
  ]);
  if (!found[0].is_there) throw missing(`There is no schema ${schema} here`);
  const { rows } = await session.bounded(
    `select coalesce(max(version), 0) as version from ${schema}.migration`,
  );
  expectVersion(schema, Number(rows[0].version));
}

/** Refuses a schema of another version than this one. */
export function expectVersion(schema: string, applied: number): void {
  const shipped = shippedMigrations.length;
  if (applied < shipped) throw missing(`Schema ${schema} is at version ${applied} of ${shipped}`);
  if (applied > shipped) {
    throw new LockdError(
      'LOCKD_SCHEMA_NEWER',
      `Schema ${schema} is at version ${applied}, this lockd knows ${shipped}. Upgrade lockd here.`,
    );
  }
}

const missing = (what: string): LockdError =>
  new LockdError(
    'LOCKD_SCHEMA_MISSING',
    `${what}. Run \`lockd migrate\`, or start with \`migrate: true\`.`,
  );
