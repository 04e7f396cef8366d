import { once } from 'node:events';
import { expect, test } from 'vitest';
import type { Cluster } from '../../../src/embedded/cluster.ts';
import { LockManager, migrate } from '../../../src/index.ts';
import { startTestCluster } from '../../support/cluster.ts';
import { createDatabase, query, withDatabase } from '../../support/database.ts';
import { startProxy } from '../../support/proxy.ts';
import { now } from '../../support/story.ts';
import { until } from '../../support/wait.ts';
import { claimsOf, overlaps } from './claims.ts';
import { type Worker, workersAt } from './worker.ts';

const ttlMs = 2_000;
const promptMs = 15_000;

test('the server restarts under a hundred holds: every signal aborts, nothing hangs, all can be had again', async () => {
  await using cluster = await startTestCluster();
  const { url } = await createDatabase(cluster.url());
  await migrate({ connectionString: url });
  await using locks = new LockManager({ connectionString: url, ttlMs, reconnectMaxMs: 200 });
  const names = Array.from({ length: 100 }, (_, index) => `order:${index}`);
  const holds = await Promise.all(names.map((name) => locks.acquire(name)));
  const lost = Promise.all(holds.map(({ signal }) => once(signal, 'abort')));
  await cluster.restart();
  await lost;
  const upAt = now();
  for (const hold of holds) {
    expect(hold.isHeld()).toBe(false);
    expect(hold.signal.reason).toMatchObject({ code: 'LOCKD_HOLD_LOST' });
  }
  await Promise.all(holds.map((hold) => hold.release()));
  const again = await Promise.all(names.map((name) => locks.acquire(name)));
  expect(now() - upAt).toBeLessThan(ttlMs + promptMs);
  for (const [index, hold] of again.entries()) {
    expect(hold.token).toBeGreaterThan(holds[index]?.token as bigint);
  }
  await Promise.all(again.map((hold) => hold.release()));
}, 60_000);

test('the server crashes and forgets what was held: nobody else has it before its holders have stopped', async () => {
  await using cluster = await startTestCluster();
  const { url } = await createDatabase(cluster.url());
  await migrate({ connectionString: url });
  await using workers = workersAt(url, { ttlMs, reconnectMaxMs: 200 });
  const [one, two, three] = [await workers.start(), await workers.start(), await workers.start()];
  await one.hold('order:1');
  await two.hold('order:2');
  three.tell({ do: 'start' });
  await three.hears('started');
  // One does not hear of the crash, and cannot stop before its TTL.
  two.signal('SIGSTOP');
  for (const resource of ['order:1', 'order:2']) {
    three.tell({ do: 'acquire', id: resource });
  }
  await until(async () => (await query(url, 'select from lockd.waiter')).length === 2);
  await cluster.stop('immediate');
  await cluster.start();
  const upAt = now();
  const [first, second] = [
    await three.hears('held', 'order:1', 30_000),
    await three.hears('held', 'order:2', 30_000),
  ];
  two.signal('SIGCONT');
  const [lostOne, lostTwo] = [await one.hears('lost'), await two.hears('lost')];
  expect(lostOne.lastTrue).toBeLessThan(first.at);
  expect(lostTwo.lastTrue).toBeLessThan(second.at);
  expect(await silentMs(url)).toBeGreaterThanOrEqual(ttlMs);
  expect(Math.max(first.at, second.at) - upAt).toBeLessThan(ttlMs + promptMs);
  const [{ doubts } = { doubts: -1 }] = await query(
    url,
    'select count(*)::integer as doubts from lockd.doubt',
  );
  expect(doubts).toBe(0);
}, 90_000);

test('a backend that dies takes all sessions and all holds with it, under traffic: no two have the same', async () => {
  await using cluster = await startTestCluster();
  const { url } = await createDatabase(cluster.url());
  await migrate({ connectionString: url });
  await using workers = workersAt(url, { ttlMs, reconnectMaxMs: 200 });
  const all = [await workers.start(), await workers.start(), await workers.start()];
  const resources = ['a', 'b', 'c'];
  for (const worker of all) worker.tell({ do: 'traffic', streams: 4, resources });
  for (let crash = 0; crash < 2; crash += 1) {
    const before = all.map((worker) => worker.of('had').length);
    await until(
      () => all.every((worker, index) => worker.of('had').length > (before[index] ?? 0) + 50),
      { timeoutMs: 30_000 },
    );
    const [backend] = await query<{ pid: number }>(
      url,
      `select pid from pg_stat_activity where application_name like 'lockd:locks:%' limit 1`,
    );
    process.kill(backend?.pid as number, 'SIGKILL');
  }
  const after = all.map((worker) => worker.of('had').length);
  await until(
    () => all.every((worker, index) => worker.of('had').length > (after[index] ?? 0) + 50),
    { timeoutMs: 30_000 },
  );
  await quiet(all);
  expect(overlaps(claimsOf(all))).toEqual([]);
  // What was given up in the moment of its grant is on its way back.
  await until(async () => (await query(url, 'select from lockd.hold where is_held')).length === 0);
}, 120_000);

test('a standby is promoted: nobody has what was held before its holder has stopped', async () => {
  await using primary = await startTestCluster();
  await using standby = await primary.startStandby();
  await using address = await startProxy(primary.url());
  const { name } = await createDatabase(primary.url());
  const url = withDatabase(address.url(), name);
  await migrate({ connectionString: url });
  await using workers = workersAt(url, { ttlMs, reconnectMaxMs: 200 });
  const [one, two, three] = [await workers.start(), await workers.start(), await workers.start()];
  await one.hold('order:1');
  await two.hold('order:2');
  three.tell({ do: 'start' });
  await three.hears('started');
  await caughtUp(primary);
  two.signal('SIGSTOP');
  for (const resource of ['order:1', 'order:2']) three.tell({ do: 'acquire', id: resource });
  await until(async () => (await query(url, 'select from lockd.waiter')).length === 2);
  const tokens = await query<{ resource: string; token: string }>(
    url,
    'select resource, token from lockd.hold',
  );
  await primary.crash();
  await standby.promote();
  address.pointAt(standby.url());
  const [first, second] = [
    await three.hears('held', 'order:1', 30_000),
    await three.hears('held', 'order:2', 30_000),
  ];
  two.signal('SIGCONT');
  const lost = [await one.hears('lost'), await two.hears('lost')];
  expect(lost[0]?.lastTrue).toBeLessThan(first.at);
  expect(lost[1]?.lastTrue).toBeLessThan(second.at);
  expect(await silentMs(url)).toBeGreaterThanOrEqual(ttlMs);
  for (const had of [first, second]) {
    const before = tokens.find(({ resource }) => resource === had.resource);
    expect(BigInt(had.token as string)).toBeGreaterThan(BigInt(before?.token as string));
  }
}, 90_000);

const caughtUp = (primary: Cluster): Promise<unknown> =>
  until(async () => {
    const [row] = await query(
      primary.url(),
      `select bool_and(replay_lsn >= pg_current_wal_lsn()) as is_so from pg_stat_replication`,
    );
    return row?.['is_so'] === true;
  });

/** How long the process had not been heard of whose lease was ended for that. */
async function silentMs(url: string): Promise<number | undefined> {
  const [ended] = await query<{ ms: number }>(
    url,
    `select (extract(epoch from ended_at - beat_at) * 1000)::integer as ms
     from lockd.lease where ended_by = 'expiry'`,
  );
  return ended?.ms;
}

async function quiet(workers: readonly Worker[]): Promise<void> {
  for (const worker of workers) worker.tell({ do: 'quiet' });
  for (const worker of workers) await worker.hears('quiet', undefined, 30_000);
}
