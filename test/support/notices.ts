import pg from 'pg';
import { expect } from 'vitest';
import { query } from './database.ts';

/** Somebody listens in a transaction that does not end, and somebody else talks until nobody can. */
export async function filledQueue(url: string): Promise<AsyncDisposable> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  await client.query('listen elsewhere');
  await client.query('begin');
  await client.query('select');
  const talk = (count: number) =>
    query(url, 'select pg_notify($1, $2)', ['elsewhere', `${count}`.padEnd(7_900, '.')]);
  let full: unknown;
  for (let count = 0; full === undefined; count += 1) {
    await talk(count).catch((error) => {
      full = error;
    });
  }
  expect(full).toMatchObject({ message: expect.stringContaining('NOTIFY queue') });
  return { [Symbol.asyncDispose]: () => client.end() };
}
