import pg from 'pg';
import { expect, test } from 'vitest';
import type { Cluster } from '../../src/embedded/cluster.ts';
import { startTestCluster } from '../support/cluster.ts';
import { query } from '../support/database.ts';
import { type Contender, holdElection } from '../support/election.ts';
import { reload } from '../support/reload.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

/** The default sizes, with waits of 2 s from the first one on. */
const sizes = { ttlMs: 10_000, firstWaitMs: 2_000 };

test('with log_lock_waits and the default deadlock_timeout, nobody’s waiting for the seat is logged', async () => {
  await using cluster = await startTestCluster({ settings: { log_lock_waits: 'on' } });
  await using election = await holdElection(sizes, cluster.url());
  await election.lead('leader');
  const standby = await election.standBy('standby');
  await attempts(standby, 8);
  expect(waitsLogged(cluster)).toEqual([]);
  await expectToBeLogged(cluster);
}, 60_000);

test('switched on while they stand by, it changes their very next attempt', async () => {
  await using cluster = await startTestCluster();
  await using election = await holdElection(sizes, cluster.url());
  await election.lead('leader');
  const standby = await election.standBy('standby');
  await query(cluster.url(), 'alter system set log_lock_waits = on');
  await reload(cluster);
  await attempts(standby, 1); // the one that stood already may be logged
  const before = waitsLogged(cluster).length;
  await attempts(standby, 4);
  expect(waitsLogged(cluster).length).toBe(before);
  await expectToBeLogged(cluster);
}, 60_000);

test('a deadlock_timeout too short to stay below is logged, by no more than two lines a second, and silenced for a role', async () => {
  const settings = { log_lock_waits: 'on', deadlock_timeout: '100ms' };
  await using cluster = await startTestCluster({ settings });
  await using election = await holdElection(sizes, cluster.url());
  await election.lead('leader');
  const loud = await election.standBy('loud');
  const [lines, startedAt] = [waitsLogged(cluster).length, now()];
  await attempts(loud, 4);
  const perSecond = ((waitsLogged(cluster).length - lines) / (now() - startedAt)) * 1_000;
  expect(perSecond).toBeGreaterThan(0.2);
  expect(perSecond).toBeLessThan(2);
  await loud.controller.stop();

  await query(cluster.url(), 'create role quiet login superuser');
  await query(cluster.url(), 'alter role quiet set log_lock_waits = off');
  const url = new URL(election.url);
  url.username = 'quiet';
  const quiet = await election.standBy('quiet', { connectionString: url.href });
  const before = waitsLogged(cluster).length;
  await attempts(quiet, 3);
  expect(waitsLogged(cluster).length).toBe(before);
}, 60_000);

/** Each begins when the one before it has been answered. */
async function attempts({ story }: Contender, count: number): Promise<void> {
  const before = story.of('attempt').length;
  await until(() => story.of('attempt').length >= before + count, { timeoutMs: 40_000 });
}

const waitsLogged = (cluster: Cluster): string[] =>
  cluster
    .log()
    .split('\n')
    .filter((line) => line.includes('still waiting for'));

/** Somebody who waits as long as an attempt would. */
async function expectToBeLogged(cluster: Cluster): Promise<void> {
  const clients = [1, 2].map(() => new pg.Client({ connectionString: cluster.url() }));
  const [holder, waiter] = clients as [pg.Client, pg.Client];
  await Promise.all(clients.map((client) => client.connect()));
  await holder.query('select pg_advisory_lock(1)');
  const waiting = waiter.query(`set lock_timeout = 2000; select pg_advisory_lock(1)`);
  await expect(waiting).rejects.toMatchObject({ code: '55P03' });
  await Promise.all(clients.map((client) => client.end()));
  await until(() => waitsLogged(cluster).length > 0);
}
