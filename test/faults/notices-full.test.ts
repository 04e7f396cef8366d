import pg from 'pg';
import { expect, test } from 'vitest';
import { resignLeader } from '../../src/postgres/resign.ts';
import { startTestCluster } from '../support/cluster.ts';
import { query } from '../support/database.ts';
import { holdElection, terminate } from '../support/election.ts';
import { now } from '../support/story.ts';

/** A lease that nobody can have waited for. */
const ttlMs = 30_000;

test('where somebody has filled the server’s queue of notices it is handed over, confessed and led all the same', async ({
  skip,
}) => {
  await using cluster = await startTestCluster();
  const setting = `select from pg_settings where name = 'max_notify_queue_pages'`;
  if ((await query(cluster.url(), setting)).length === 0) {
    skip('before PostgreSQL 17 the queue holds 8 GB');
  }
  await query(cluster.url(), 'alter system set max_notify_queue_pages = 64');
  await cluster.restart();
  await using election = await holdElection({ ttlMs }, cluster.url());
  const [one, two] = [await election.lead('one'), await election.standBy('two')];
  for (const { label } of [one, two]) await election.bothBackends(label);
  await using _ = await filledQueue(election.url);

  const leftAt = now();
  void one.controller.resign();
  await two.story.next('active');
  expect(now() - leftAt).toBeLessThan(5_000);

  const { seat } = await election.bothBackends('two');
  await terminate(election.url, seat);
  const lost = await two.story.next('passive');
  const active = await Promise.race([one, two].map(({ controller }) => controller.whenActive()));
  expect(active.token).toBeGreaterThan(lost.token as bigint);
  expect(now() - lost.at).toBeLessThan(5_000);
  // What cannot be asked is told to whoever asks.
  await expect(
    resignLeader({ connectionString: election.url }, election.name),
  ).rejects.toMatchObject({ message: expect.stringContaining('NOTIFY queue') });
}, 60_000);

/** Somebody listens in a transaction that does not end, and somebody else talks until nobody can. */
async function filledQueue(url: string): Promise<AsyncDisposable> {
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
