import pg from 'pg';
import { isLockdError, LockdError, messageOf } from '../core/errors.ts';
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
export function migrate(options: DatabaseOptions = {}, bounds: Bounds = {}): Promise<Migrated> {
  return visit(options, bounds, async (session, schema) => {
    await session.bounded(begin);
    try {
      await pin(session, visitPins, 'transaction');
      await session.bounded(lock);
      const missing = await missingIn(session, schema);
      for (const statement of missing.statements) await session.bounded(statement);
      await session.bounded('commit');
      return { applied: missing.files };
    } catch (error) {
      await session.bounded('rollback').catch(() => {}); // the first error is the one to tell
      throw unprivileged(error) ?? error;
    }
  });
}

/** What a role needs that migrates is more than what `--print-grants` gives to one that leads. */
function unprivileged(error: unknown): LockdError | undefined {
  if (!isLockdError(error) || error.code !== 'LOCKD_PRIVILEGE') return undefined;
  return new LockdError(
    error.code,
    `${messageOf(error.cause)}. Whoever migrates needs CREATE on the database and must own the schema, if it is there: \`grant create on database … to …\`, or let an owner migrate.`,
    { cause: error.cause },
  );
}

export interface Missing {
  /** The files that `migrate` would apply; empty when there is nothing to do. */
  readonly files: readonly string[];
  /** What it would do, for whoever does it by hand: one transaction. Empty when nothing is missing. */
  readonly script: string;
}

/** What `migrate` would do now. Changes nothing, and refuses what `migrate` refuses. */
export function readMissing(options: DatabaseOptions = {}, bounds: Bounds = {}): Promise<Missing> {
  return visit(options, bounds, async (session, schema) => {
    const { files, statements } = await missingIn(session, schema);
    if (files.length === 0) return { files, script: '' };
    const steps = [begin, path, lock, ...statements, 'commit'];
    return { files, script: steps.map((step) => `${step.trim().replace(/;$/, '')};`).join('\n\n') };
  });
}

interface Bounds {
  readonly signal?: AbortSignal | undefined;
  /** For each question. @default 60,000 */
  readonly timeoutMs?: number | undefined;
}

const begin = 'begin isolation level read committed read write';
const path = `set local search_path to ${visitPins['search_path']}`;
const lock = `select pg_advisory_xact_lock(${migrationLock.join(', ')})`;

async function visit<Answer>(
  options: DatabaseOptions,
  bounds: Bounds,
  ask: (session: Session, schema: string) => Promise<Answer>,
): Promise<Answer> {
  refuseUnknown(options, databaseOptions);
  refuseUnknown(bounds, { signal: true, timeoutMs: true });
  const { signal, timeoutMs = 60_000 } = bounds;
  const { hosts, schema } = settleDatabase(options);
  const settings = { hosts, applicationName: 'lockd:migrate', timeoutMs, signal };
  return Session.prepared(settings, async (session) => {
    await checkKind(session);
    const answer = await ask(session, schema);
    await session.close();
    return answer;
  });
}

async function missingIn(
  session: Session,
  schema: string,
): Promise<{ files: readonly string[]; statements: readonly string[] }> {
  const { rows } = await session.bounded('select to_regclass($1) is not null as is_there', [
    `${schema}.migration`,
  ]);
  const isThere = rows[0].is_there;
  const applied = isThere ? await appliedIn(session, schema) : [];
  for (const [index, migration] of applied.entries()) {
    checkApplied(shippedMigrations[index], migration, schema);
  }
  const missing = shippedMigrations.slice(applied.length);
  const statements = missing.flatMap(({ version, file, sql, checksum }) => [
    sql.replaceAll(/\blockd\./g, `${schema}.`),
    `insert into ${schema}.migration (version, file, checksum)
     values (${version}, ${pg.escapeLiteral(file)}, ${pg.escapeLiteral(checksum)})`,
  ]);
  return {
    files: missing.map(({ file }) => file),
    statements: isThere ? statements : [...journal(schema), ...statements],
  };
}

const journal = (schema: string): string[] => [
  `create schema if not exists ${schema}`,
  `create table ${schema}.migration (
     version integer primary key, file text not null, checksum text not null,
     applied_at timestamptz not null default clock_timestamp())`,
];

async function appliedIn(
  session: Session,
  schema: string,
): Promise<{ version: number; file: string; checksum: string }[]> {
  const { rows } = await session.bounded(
    `select version, file, checksum from ${schema}.migration order by version`,
  );
  return rows;
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
