/** What is refused before anything is asked of a server, with the remedy in the message. */
import { randomUUID } from 'node:crypto';
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
 * Behind a proxy. Session pooling is fine: a backend of our own. Under transaction pooling a setting
 * made on one connection is seen on another, and a connection changes its backend while another
 * one's transaction keeps it. On a busy pool one look may miss it; each attempt looks once more.
 */
async function refuseTransactionPooling(first: Session, settings: SessionSettings): Promise<void> {
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
  const marker = randomUUID();
  const { rows: ours } = await first.bounded(
    `select set_config('lockd.marker', $1, false), pg_backend_pid() as backend`,
    [marker],
  );
  await second.bounded('begin');
  const { rows: theirs } = await second.bounded(
    `select current_setting('lockd.marker', true) as marker, pg_backend_pid() as backend`,
  );
  const { rows: again } = await first.bounded('select pg_backend_pid() as backend');
  await second.bounded('rollback');
  const { backend } = ours[0];
  return (
    theirs[0].marker === marker || theirs[0].backend === backend || again[0].backend !== backend
  );
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
  const applied = Number(rows[0].version);
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
