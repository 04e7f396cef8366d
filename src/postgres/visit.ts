/** How somebody looks in who only reads: leaving nothing behind for whoever has the backend next. */
import { isLockdError } from '../core/errors.ts';
import { checkSchema } from './checks.ts';
import { type DatabaseOptions, settleDatabase } from './connection.ts';
import { sqlStateOf } from './failures.ts';
import { Session } from './session.ts';

type Ask = Session['query'];

/** For as long as any answer may take. */
export const visitTimeoutMs = 5_000;

type Look = <Answer>(question: (ask: Ask) => Promise<Answer>) => Promise<Answer>;

/** On a session of its own; works through any pooler, and writes nothing. */
export async function visit<Answer>(
  options: DatabaseOptions,
  applicationName: string,
  read: (look: Look, schema: string) => Promise<Answer>,
): Promise<Answer> {
  const { hosts, schema } = settleDatabase(options);
  const session = await Session.open({ hosts, applicationName, timeoutMs: visitTimeoutMs });
  try {
    return await read((question) => readOnly(session, schema, question), schema);
  } finally {
    await session.close();
  }
}

/**
 * In a transaction that ends with all it has set: a transaction pooler hands the backend on, and
 * what a visit like this pins for its session would be somebody else's search_path.
 */
export function readOnly<Answer>(
  session: Session,
  schema: string,
  question: (ask: Ask) => Promise<Answer>,
): Promise<Answer> {
  return explained(session, schema, () =>
    inTransaction(session, () => question((text, values) => session.bounded(text, values))),
  );
}

async function inTransaction<Answer>(
  session: Session,
  work: () => Promise<Answer>,
): Promise<Answer> {
  await session.bounded(
    'begin isolation level read committed read only; set local search_path = pg_catalog, pg_temp',
  );
  try {
    return await work();
  } finally {
    await session.bounded('commit').catch(() => {}); // a lost session has nothing to end
  }
}

/** Syntax, names and rights: as where another version of the schema is there, or none. */
const isOfSchema = (error: unknown): boolean =>
  isLockdError(error) && /^(42|3F)/.test(sqlStateOf(error.cause) ?? '');

/** The version of the schema is in the answer; only where a statement failed it is asked for. */
export async function explained<Answer>(
  session: Session,
  schema: string,
  ask: () => Promise<Answer>,
): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    if (isOfSchema(error)) await inTransaction(session, () => checkSchema(session, schema));
    throw error;
  }
}
