import { randomUUID } from 'node:crypto';
import { checkName, expect, methods } from '../core/checks.ts';
import { LockdError } from '../core/errors.ts';
import { refuseUnknown } from '../core/known.ts';
import { checkResource } from '../core/locks/options.ts';
import { settleDatabase } from './connection.ts';
import { asLockdError } from './failures.ts';
import * as statements from './statements.ts';

/** What `assertFence` needs of a client: `pg`'s Client and PoolClient have it. */
export interface Queryable {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
  /** Newer versions of `pg` have it; without it one more question is asked. */
  getTransactionStatus?(): string | null;
}

/** What a token is of: a term, or a hold. */
export type Fenced =
  | { readonly name: string; readonly token: bigint }
  | { readonly resource: string; readonly token: bigint };

/**
 * Makes a stale write impossible: call it first in your own transaction, and await it. While the
 * transaction runs nobody can take over, or be granted what is held; with an old token it rejects with `LOCKD_STALE_TOKEN` and
 * the transaction is aborted. Under REPEATABLE READ or SERIALIZABLE it may also reject with
 * `LOCKD_SERIALIZATION`: roll back and try again, because an old snapshot cannot tell. Outside a
 * transaction it rejects with `LOCKD_NO_TRANSACTION`; in a savepoint that is rolled back it protects
 * nothing. Works in the database that `name` is led in, and nowhere else.
 */
export async function assertFence(
  client: Queryable,
  fenced: Fenced | undefined,
  options: { readonly schema?: string | undefined } = {},
): Promise<void> {
  refuseUnknown(options, { schema: true });
  methods('client', client, ['query']);
  if (isPool(client)) {
    throw new LockdError(
      'LOCKD_NO_TRANSACTION',
      'Expected one client with a transaction of its own, got a pool, which may send each query to another client. Take a client with `connect()`, and send `begin` on it first.',
    );
  }
  if (fenced === undefined) {
    throw new LockdError(
      'LOCKD_STALE_TOKEN',
      'There is no term, and no hold: this instance does not lead. Roll back.',
    );
  }
  if (isHold(fenced)) checkResource(fenced.resource);
  else checkName(fenced?.name);
  expect(typeof fenced.token === 'bigint', '`token` to be a bigint', fenced.token);
  const { schema } = settleDatabase(options);
  try {
    if (await fenceInTransaction(client, schema, fenced)) return;
  } catch (error) {
    throw asLockdError(error);
  }
  throw new LockdError(
    'LOCKD_NO_TRANSACTION',
    'Expected a transaction around `assertFence`, found none: what follows would not be protected. Send `begin` on this client first.',
  );
}

/** Fences, and says whether a transaction was there to be fenced. */
async function fenceInTransaction(
  client: Queryable,
  schema: string,
  fenced: Fenced,
): Promise<boolean> {
  const ask: statements.Ask = async (text, values = []) => ({
    rows: (await client.query(text, [...values])).rows,
    warnings: [],
  });
  if (typeof client.getTransactionStatus === 'function') {
    await statements.fence(ask, schema, fenced);
    // As the server's answer to the fence said: not before, when `begin` may still be on its way.
    return client.getTransactionStatus() === 'T';
  }
  const mark = randomUUID();
  await statements.markTransaction(ask, mark);
  return (await statements.fence(ask, schema, fenced)) === mark;
}

const isPool = (client: object): boolean => 'totalCount' in client && 'connect' in client;

/** Of what is no object it is not asked: JavaScript may give anything. */
const isHold = (fenced: Fenced): fenced is Extract<Fenced, { resource: string }> =>
  Object(fenced) === fenced && 'resource' in fenced;
