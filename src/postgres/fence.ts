import { LockdError } from '../core/errors.ts';
import { settleDatabase } from './connection.ts';
import { asLockdError } from './failures.ts';
import * as statements from './statements.ts';

/** What `assertFence` needs of a client: `pg`'s Client and PoolClient have it. */
export interface Queryable {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
}

/**
 * Makes a stale write impossible: call it first in your own transaction. While the transaction runs
 * nobody can take over; with an old token it rejects with `LOCKD_STALE_TOKEN` and the transaction is
 * aborted. Under REPEATABLE READ or SERIALIZABLE it may also fail with a serialization error (40001),
 * which means the same. Outside a transaction, or in a savepoint that is rolled back, it protects
 * nothing. Works in the database that `name` is led in, and nowhere else.
 */
export async function assertFence(
  client: Queryable,
  term: { readonly name: string; readonly token: bigint } | undefined,
  { schema }: { readonly schema?: string | undefined } = {},
): Promise<void> {
  if (term === undefined) {
    throw new LockdError(
      'LOCKD_STALE_TOKEN',
      'There is no term: this instance does not lead. Roll back.',
    );
  }
  const database = settleDatabase({ schema });
  try {
    await statements.fence(
      async (text, values) => ({
        rows: (await client.query(text, [...(values ?? [])])).rows,
        warnings: [],
      }),
      database.schema,
      term.name,
      term.token,
    );
  } catch (error) {
    throw asLockdError(error);
  }
}
