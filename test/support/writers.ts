import pg from 'pg';
import { assertFence, LockdError } from '../../src/index.ts';
import { query } from './database.ts';

export type Isolation = 'read committed' | 'repeatable read' | 'serializable';

/** How a transaction makes sure that it is not stale before it writes. */
export type Guard = (
  client: pg.Client,
  term: { readonly name: string; readonly token: bigint },
) => Promise<void>;

/** As it should be done. */
export const fenced: Guard = assertFence;

/** As it is often done: look, then write. The look says nothing about the moment of the commit. */
export const checkThenWrite: Guard = async (client, { name, token }) => {
  const { rows } = await client.query(
    `select f.token from lockd.fence f join lockd.lock l on l.id = f.lock_id where l.name = $1`,
    [name],
  );
  if (rows[0]?.token !== String(token)) {
    throw new LockdError('LOCKD_STALE_TOKEN', 'The token has changed.');
  }
};

/**
 * A table of tokens in which every commit shows whether it was stale: a sequence gives each write
 * its number after the guard, and a takeover is ordered against it by the fence row's own lock.
 */
export async function createLedger(url: string): Promise<void> {
  await query(url, 'create table ledger (token bigint not null, writer int not null)');
}

export interface Outcome {
  committed: number;
  refused: number;
}

/** Writes under whatever token is thought to be current, again and again, until told to stop. */
export async function write(
  url: string,
  writer: number,
  {
    isolation,
    guard,
    term,
    signal,
  }: {
    isolation: Isolation;
    guard: Guard;
    term: () => { readonly name: string; readonly token: bigint } | undefined;
    signal: AbortSignal;
  },
): Promise<Outcome> {
  const client = new pg.Client({ connectionString: url, application_name: `writer ${writer}` });
  client.on('error', () => {});
  await client.connect();
  const outcome = { committed: 0, refused: 0 };
  try {
    while (!signal.aborted) {
      const current = term();
      if (current === undefined) {
        await new Promise(setImmediate);
        continue;
      }
      try {
        await client.query(`begin isolation level ${isolation}`);
        await guard(client, current);
        await client.query('insert into ledger values ($1, $2)', [String(current.token), writer]);
        await client.query('select pg_sleep(random() * 0.004)'); // work inside the transaction
        await client.query('commit');
        outcome.committed += 1;
      } catch (error) {
        await client.query('rollback');
        if (!isRefusal(error)) throw error;
        outcome.refused += 1;
      }
    }
  } finally {
    await client.end();
  }
  return outcome;
}

function isRefusal(error: unknown): boolean {
  const { code, cause } = error as { code?: string; cause?: { code?: string } };
  return [code, cause?.code].some((it) => it === 'LOCKD_STALE_TOKEN' || it === '40001');
}

export interface OpenTransaction extends AsyncDisposable {
  readonly pid: number;
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
}

/** A transaction that stays open as long as the test wants. */
export async function openTransaction(
  url: string,
  isolation: Isolation = 'read committed',
): Promise<OpenTransaction> {
  const client = new pg.Client({ connectionString: url, application_name: 'transaction' });
  client.on('error', () => {});
  await client.connect();
  await client.query(`begin isolation level ${isolation}`);
  const { rows } = await client.query('select pg_backend_pid() as pid');
  return {
    pid: rows[0].pid,
    query: (text, values) => client.query(text, values),
    [Symbol.asyncDispose]: () => client.end().catch(() => {}),
  };
}
