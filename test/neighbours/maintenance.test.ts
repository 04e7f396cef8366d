import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { expect, test, vi } from 'vitest';
import type { Cluster } from '../../src/embedded/cluster.ts';
import { startTestCluster } from '../support/cluster.ts';
import { query } from '../support/database.ts';
import { type Contender, type Election, holdElection } from '../support/election.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

/** Attempts of full length from the first one on. */
const waitMs = 2_500;
const sizes = { ttlMs: 10_000, firstWaitMs: waitMs, maxWaitMs: waitMs };
/** What a busy machine adds to a wait; less than another wait, which would be one standby after the other. */
const noiseMs = 2_000;

/** By whom maintenance is run: PostgreSQL knows no difference, but a leader may. */
const runners = ['the leader’s own application', 'somebody else'] as const;

/** What waits for older snapshots, and for how many waits of it. */
const commands = [
  ['create index concurrently on items (n)', 1],
  ['reindex index concurrently items_pkey', 1],
  ['reindex table concurrently many', 3], // one index after the other
  ['drop index concurrently spare', 1],
] as const;

test('what is done CONCURRENTLY is held up for no longer than one wait an index, and aborts nobody', async () => {
  await using cluster = await startTestCluster({ settings: { deadlock_timeout: '100ms' } });
  await using election = await holdElection(sizes, cluster.url());
  const contenders = await standingBy(election);
  const leader = contenders[0] as Contender;
  for (const runner of runners) {
    await createTables(election.url);
    for (const [sql, waits] of commands) {
      const run = () => maintain(election.url, sql);
      const gated = runner === 'somebody else' ? run : leader.controller.gated(run);
      await attemptsStand(election);
      const startedAt = now();
      await gated();
      expect(now() - startedAt, `${sql}, by ${runner}`).toBeLessThan(waits * waitMs + noiseMs);
    }
  }
  await expectUntouched(cluster, election, contenders);
}, 120_000);

test('CREATE INDEX CONCURRENTLY does wait for the standbys’ attempts, so the bound above means something', async () => {
  await using election = await holdElection(sizes);
  await standingBy(election);
  await createTables(election.url);
  const blockers = await until(
    async () => {
      await attemptsStand(election);
      const seen = await maintain(election.url, 'create index concurrently on items (n)');
      return seen.find((name) => name.startsWith(`lockd:${election.name}:standby`));
    },
    { timeoutMs: 20_000, describe: 'an attempt has held it up' },
  );
  expect(blockers).toBeDefined();
});

test('dead rows are gone one wait after they died, whoever vacuums', async () => {
  await using cluster = await startTestCluster({ settings: { deadlock_timeout: '100ms' } });
  await using election = await holdElection(sizes, cluster.url());
  const contenders = await standingBy(election);
  const leader = contenders[0] as Contender;
  for (const runner of runners) {
    await createTables(election.url);
    await attemptsStand(election);
    await query(election.url, 'delete from items');
    const run = () => vacuumUntilGone(election.url, waitMs + noiseMs);
    const gated = runner === 'somebody else' ? run : leader.controller.gated(run);
    await gated();
  }
  await expectUntouched(cluster, election, contenders);
}, 120_000);

test('a standby that waits in one statement, without end, holds both up for as long as it waits', async () => {
  await using election = await holdElection(sizes);
  await createTables(election.url);
  await using leader = await connect(election.url);
  await leader.client.query('select pg_advisory_lock(1)');
  await using standby = await connect(election.url);
  const waiting = standby.client.query('select pg_advisory_lock(1)');
  await blockedBy(election.url, standby.pid, leader.pid);

  await query(election.url, 'delete from items');
  await using indexer = await connect(election.url);
  const done = vi.fn();
  const indexing = indexer.client.query('create index concurrently on many (a)').then(done, done);
  await blockedBy(election.url, indexer.pid, standby.pid);
  await sleep(waitMs + noiseMs); // the bound that the tests above are held to
  expect(done).not.toHaveBeenCalled();
  await query(election.url, 'vacuum items');
  expect(await isGone(election.url)).toBe(false);

  await leader.client.query('select pg_advisory_unlock(1)');
  await Promise.all([waiting, indexing]);
  await vacuumUntilGone(election.url, waitMs + noiseMs);
});

test('a leader that indexes on the session of its own lock is a deadlock, as the log would say above', async () => {
  await using cluster = await startTestCluster({ settings: { deadlock_timeout: '100ms' } });
  await createTables(cluster.url());
  await using leader = await connect(cluster.url());
  await leader.client.query('select pg_advisory_lock(1)');
  await using standby = await connect(cluster.url());
  const waiting = standby.client.query('select pg_advisory_lock(1)');
  await blockedBy(cluster.url(), standby.pid, leader.pid);
  const indexing = leader.client.query('create index concurrently on items (n)');
  const ended = await Promise.allSettled([
    indexing,
    // Where the indexer is the one that is aborted, the waiter gets its lock when it leaves.
    Promise.race([waiting, indexing.catch(() => leader.client.end()).then(() => waiting)]),
  ]);
  expect(ended).toContainEqual(
    expect.objectContaining({ reason: expect.objectContaining({ code: '40P01' }) }),
  );
  expect(cluster.log()).toContain('deadlock detected');
});

/** A leader and three who wait, whose attempts overlap. */
async function standingBy(election: Election): Promise<Contender[]> {
  const leader = await election.lead('leader');
  const standbys = ['standby 1', 'standby 2', 'standby 3'].map((label) => election.enter(label));
  // They settle after their first attempt: by then maintenance could have come and gone.
  for (const { controller } of standbys) void controller.start();
  return [leader, ...standbys];
}

const attemptsStand = (election: Election): Promise<unknown> =>
  until(async () => (await election.waiters()).length === 3, {
    describe: 'all three attempts stand in the queue',
  });

async function createTables(url: string): Promise<void> {
  await query(
    url,
    `drop table if exists items, many;
     create table items (n int primary key) with (autovacuum_enabled = off);
     create index spare on items (n);
     create table many (a int primary key, b int unique, c int unique);
     insert into items select * from generate_series(1, 500)`,
  );
}

/** The application names of the sessions that held it up. */
async function maintain(url: string, sql: string): Promise<string[]> {
  await using session = await connect(url);
  const settled = vi.fn();
  const done = session.client.query(sql);
  done.then(settled, settled);
  const blockers = new Set<string>();
  while (settled.mock.calls.length === 0) {
    const seen = await query<{ name: string }>(
      url,
      `select application_name as name from pg_stat_activity
       where pid = any (pg_blocking_pids($1))`,
      [session.pid],
    );
    for (const { name } of seen) blockers.add(name);
  }
  await done;
  return [...blockers];
}

async function vacuumUntilGone(url: string, timeoutMs: number): Promise<void> {
  const passes = async () => {
    const startedAt = now();
    await query(url, 'vacuum items');
    expect(now() - startedAt).toBeLessThan(noiseMs); // a pass itself waits for nobody
    return isGone(url);
  };
  await until(passes, { timeoutMs, describe: 'vacuum has removed every dead row' });
}

/** A table whose every row is removed is cut down to nothing. */
async function isGone(url: string): Promise<boolean> {
  const [row] = await query(url, `select pg_relation_size('items') = 0 as is_gone`);
  return row?.['is_gone'] === true;
}

async function expectUntouched(
  cluster: Cluster,
  election: Election,
  [leader, ...standbys]: Contender[],
): Promise<void> {
  expect(cluster.log()).not.toMatch(/deadlock|canceling|ERROR|FATAL/);
  expect((await election.terms()).length).toBe(1);
  expect(leader?.controller.isActive()).toBe(true);
  expect(standbys.flatMap(({ story }) => story.of('warning'))).toEqual([]);
}

const blockedBy = (url: string, waiter: number, holder: number): Promise<unknown> =>
  until(
    async () => {
      const [row] = await query(url, 'select $2::int = any (pg_blocking_pids($1)) as is_so', [
        waiter,
        holder,
      ]);
      return row?.['is_so'] === true;
    },
    { describe: `session ${waiter} waits for session ${holder}` },
  );

interface Connected extends AsyncDisposable {
  readonly client: pg.Client;
  readonly pid: number;
}

async function connect(url: string): Promise<Connected> {
  const client = new pg.Client({ connectionString: url, application_name: 'host' });
  client.on('error', () => {});
  await client.connect();
  const { rows } = await client.query('select pg_backend_pid() as pid');
  return { client, pid: rows[0].pid, [Symbol.asyncDispose]: () => client.end() };
}
