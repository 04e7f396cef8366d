import { LockdError } from '../core/errors.ts';
import { refuseUnknown } from '../core/known.ts';
import { checkKind } from './checks.ts';
import { type DatabaseOptions, databaseOptions, settleDatabase } from './connection.ts';
import { type Migration, shippedMigrations } from './migrations.ts';
import { pin, visitPins } from './pins.ts';
import { Session } from './session.ts';

/** Two-key form, so that it never meets one-key locks of others; 'lockd' and 'migr' in ASCII. */
const migrationLock = [0x6c6f636b, 0x6d696772] as const;

export interface Migrated {
  /** The files applied by this call; empty when there was nothing to do. */
  readonly applied: readonly string[];
}

/**
 * Brings the schema to this version of lockd: one transaction, so all or nothing, and safe under any
 * number of concurrent starts, through a transaction pooler too. Refuses a schema that is newer, or
 * whose applied files differ from the shipped ones.
 */
export async function migrate(
  options: DatabaseOptions = {},
  bounds: { signal?: AbortSignal | undefined; timeoutMs?: number | undefined } = {},
): Promise<Migrated> {
  refuseUnknown(options, databaseOptions);
  refuseUnknown(bounds, { signal: true, timeoutMs: true });
  const { signal, timeoutMs = 60_000 } = bounds;
  const { config, schema } = settleDatabase(options);
  const settings = { config, applicationName: 'lockd:migrate', timeoutMs, signal };
  return Session.prepared(settings, async (session) => {
    await checkKind(session);
    const migrated = await apply(session, schema, await shippedMigrations());
    await session.close();
    return migrated;
  });
}

async function apply(
  session: Session,
  schema: string,
  migrations: readonly Migration[],
): Promise<Migrated> {
  await session.bounded('begin isolation level read committed read write');
  try {
    await pin(session, visitPins, 'transaction');
    await session.bounded('select pg_advisory_xact_lock($1, $2)', migrationLock);
    const applied = await appliedMigrations(session, schema);
    for (const [index, { version, checksum, file }] of applied.entries()) {
      checkApplied(migrations[index], { version, checksum, file }, schema);
    }
    const missing = migrations.slice(applied.length);
    for (const { version, file, sql, checksum } of missing) {
      await session.bounded(sql.replaceAll(/\blockd\./g, `${schema}.`));
      await session.bounded(
        `insert into ${schema}.migration (version, file, checksum) values ($1, $2, $3)`,
        [version, file, checksum],
      );
    }
    await session.bounded('commit');
    return { applied: missing.map(({ file }) => file) };
  } catch (error) {
    await session.bounded('rollback').catch(() => {}); // the first error is the one to tell
    throw error;
  }
}

async function appliedMigrations(
  session: Session,
  schema: string,
): Promise<{ version: number; file: string; checksum: string }[]> {
  const { rows } = await session.bounded('select to_regclass($1) is not null as is_there', [
    `${schema}.migration`,
  ]);
  if (!rows[0].is_there) {
    await session.bounded(`create schema if not exists ${schema}`);
    await session.bounded(
      `create table ${schema}.migration (
         version integer primary key, file text not null, checksum text not null,
         applied_at timestamptz not null default clock_timestamp())`,
    );
  }
  const { rows: applied } = await session.bounded(
    `select version, file, checksum from ${schema}.migration order by version`,
  );
  return applied;
}

function checkApplied(
  shipped: Migration | undefined,
  applied: { version: number; file: string; checksum: string },
  schema: string,
): void {
  if (shipped === undefined) {
    throw new LockdError(
      'LOCKD_SCHEMA_NEWER',
      `Schema ${schema} has migration ${applied.file}, which this lockd does not know. Upgrade lockd here.`,
    );
  }
  if (shipped.checksum !== applied.checksum) {
    throw new LockdError(
      'LOCKD_SCHEMA_EDITED',
      `Migration ${applied.file} was applied to schema ${schema} with other contents than the shipped ones. Restore the file, or write a new migration.`,
    );
  }
}
