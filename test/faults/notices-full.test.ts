import { expect, test } from 'vitest';
import { resignLeader } from '../../src/postgres/resign.ts';
import { startTestCluster } from '../support/cluster.ts';
import { query } from '../support/database.ts';
import { holdElection, terminate } from '../support/election.ts';
import { filledQueue } from '../support/notices.ts';
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
