import { expect, test } from 'vitest';
import type { Cluster } from '../../src/embedded/cluster.ts';
import { migrate, readStatus } from '../../src/index.ts';
import { startTestCluster } from '../support/cluster.ts';
import { createDatabase, query, withDatabase } from '../support/database.ts';
import { type Contender, Election, heard } from '../support/election.ts';
import { type FaultProxy, startProxy } from '../support/proxy.ts';
import { reload } from '../support/reload.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

const ttlMs = 3_000;
/** For what waits for a lease: a busy machine needs some more. */
const promptMs = 10_000;

test('a primary that dies: the promoted one is led after one lease, by one at a time, under a higher token', async () => {
  await using primary = await startTestCluster();
  await using standby = await primary.startStandby();
  await using address = await startProxy(primary.url());
  await using election = await electionBehind(address, primary);
  const old = await election.lead('old');
  const next = await election.standBy('next');
  await election.beats(1);
  await caughtUp(primary);
  const before = await election.lease();

  await primary.crash();
  expect(await old.story.next('passive')).toMatchObject({ reason: 'session-lost' });
  await failOver(address, standby);
  const promotedAt = now();
  const leader = await whoLeads(old, next);
  expect(now() - promotedAt).toBeLessThan(ttlMs + promptMs);
  expect(leader.token).toBeGreaterThan(BigInt(before.token));

  await leader.controller.resign(); // the promotion is recorded: from here on nobody waits
  const resignedAt = now();
  const later = await whoLeads(old, next);
  expect(now() - resignedAt).toBeLessThan(ttlMs);
  expect(later.token).toBeGreaterThan(leader.token);
  expect(await tokens(election)).toEqual([BigInt(before.token), leader.token, later.token]);
}, 60_000);

test('an address of several hosts finds the primary, and moves with it', async () => {
  await using primary = await startTestCluster();
  await using standby = await primary.startStandby();
  const { name } = await createDatabase(primary.url());
  const hosts = [standby, primary].map((cluster) => new URL(cluster.url()).host);
  const [user] = new URL(primary.url()).username.split(':');
  const connectionString = `postgres://${user}@${hosts}/${name}?target_session_attrs=read-write`;
  await migrate({ connectionString });
  await caughtUp(primary);
  // Looked at where it will be in the end.
  await using election = new Election(undisposed(name, standby.url()), { ttlMs, connectionString });
  const old = await election.lead('old');
  const next = await election.standBy('next');
  await election.beats(1);
  await caughtUp(primary);
  const before = await election.lease();
  expect(await readStatus({ connectionString }, election.name)).toMatchObject([{ isLed: true }]);

  await primary.crash();
  await old.story.next('passive');
  // Neither is a primary now: that is no reason to give up.
  await next.story.next('warning');
  await standby.promote();
  const leader = await whoLeads(old, next);
  expect(leader.token).toBeGreaterThan(BigInt(before.token));
  expect(await readStatus({ connectionString }, election.name)).toMatchObject([
    { isLed: true, leader: { token: leader.token } },
  ]);
}, 60_000);

test('two primaries that both live: the promoted one is led under the higher token, and the old leader falls in behind once its primary is fenced off', async () => {
  await using primary = await startTestCluster();
  await using standby = await primary.startStandby();
  await using address = await startProxy(primary.url());
  await using before = await electionBehind(address, primary);
  const old = await before.lead('old');
  const { token } = await before.lease();
  await before.beats(1);
  await caughtUp(primary);
  await failOver(address, standby); // for connections to come

  // Elections of their own, because two gates are open now. That is documented: without synchronous
  // replication only fencing the old primary prevents it. What orders the two is the token.
  await using after = new Election(undisposed(before.database, address.url()), { ttlMs });
  const next = after.enter('next');
  await next.controller.start();
  const active = await next.story.next('active');
  expect(next.story.logged('waits for the old lease')).toMatchObject([{ ground: 'doubtful' }]);
  expect(old.controller.term?.token).toBe(BigInt(token));
  expect(active.token).toBeGreaterThan(BigInt(token));

  await primary.stop('immediate');
  expect(await old.story.next('passive')).toMatchObject({ reason: 'session-lost' });
  expect(await old.story.next('observed')).toMatchObject({ token: active.token });
  await next.controller.stop();
  const last = await old.story.next('active');
  expect(await tokens(after)).toEqual([BigInt(token), active.token, last.token]);
  await old.controller.stop();
}, 60_000);

test('with synchronous replication no takeover that was believed is lost, though the primary dies in the same moment', async () => {
  await using primary = await startTestCluster();
  await using standby = await primary.startStandby();
  await using address = await startProxy(primary.url());
  await using election = await electionBehind(address, primary);
  await synchronous(primary, 'standby');
  const old = await election.lead('old');
  const next = await election.standBy('next');
  const died = heard(next.controller, 'active').then(() => primary.crash());
  await old.controller.resign();
  await died;
  const [believed] = next.story.of('active');

  await standby.promote();
  const promoted = withDatabase(standby.url(), election.database);
  const [row] = await query(promoted, 'select token, label from lockd.lease');
  expect(row).toEqual({ token: `${believed?.token}`, label: 'next' });
  address.pointAt(promoted);
  await synchronous(standby, '');
  const leader = await whoLeads(old, next);
  const all = await tokens(election);
  expect(all.slice(-2)).toEqual([believed?.token, leader.token]);
  expect(all).toEqual(all.toSorted((a, b) => Number(a - b)));
  expect(new Set(all).size).toBe(3);
}, 60_000);

test('with synchronous replication no beat that anybody saw is lost', async () => {
  await using primary = await startTestCluster();
  await using standby = await primary.startStandby();
  await using address = await startProxy(primary.url());
  await using election = await electionBehind(address, primary);
  await synchronous(primary, 'standby');
  await election.lead('leader', { heartbeatMs: 50 });
  await election.beats(5);
  const direct = withDatabase(primary.url(), election.database);
  const [seen] = await query(direct, 'select token, beat::int from lockd.lease');
  await primary.crash();
  await failOver(address, standby);
  const [kept] = await query(
    withDatabase(standby.url(), election.database),
    'select token, beat::int from lockd.lease',
  );
  expect(kept?.['token']).toBe(seen?.['token']);
  expect(kept?.['beat']).toBeGreaterThanOrEqual(Number(seen?.['beat']));
  await synchronous(standby, '');
});

test('a synchronous standby that is gone: the leader steps down in time, nobody leads, and all comes back with it', async () => {
  await using primary = await startTestCluster();
  await using standby = await primary.startStandby();
  await using address = await startProxy(primary.url());
  await using election = await electionBehind(address, primary);
  await synchronous(primary, 'standby');
  const old = await election.lead('old');
  const next = await election.standBy('next');
  await election.beats(1);
  const { token } = await election.lease();

  await standby.stop('fast');
  const goneAt = now();
  const passive = await old.story.next('passive');
  expect(passive).toMatchObject({ reason: 'deadline-passed' });
  expect(passive.at - goneAt).toBeLessThan(ttlMs + 500);
  const told = await until(async () => {
    const [status] = await readStatus({ connectionString: election.url }, election.name);
    return status?.faults.find(({ code }) => code === 'leader-silent');
  });
  expect(told.message).toContain('No beat of old');
  expect(told.message).toContain('synchronous_standby_names');
  expect([old, next].some(({ controller }) => controller.isActive())).toBe(false);
  expect((await election.terms()).length).toBe(1);

  await standby.start();
  const leader = await whoLeads(old, next);
  expect(leader.token).toBeGreaterThan(BigInt(token));
  await election.beats(2);
}, 60_000);

/** Contenders reach the primary by an address that a failover leads elsewhere. */
async function electionBehind(address: FaultProxy, primary: Cluster): Promise<Election> {
  const database = await createDatabase(primary.url());
  await migrate({ connectionString: database.url });
  return new Election(undisposed(database.name, address.url()), { ttlMs });
}

/** A database that goes with its server: by then it may be another one. */
const undisposed = (name: string, serverUrl: string) => ({
  name,
  url: withDatabase(serverUrl, name),
  [Symbol.asyncDispose]: async () => {},
});

async function failOver(address: FaultProxy, standby: Cluster): Promise<void> {
  await standby.promote();
  address.pointAt(standby.url());
}

/** Whom commits wait for from now on. */
async function synchronous(cluster: Cluster, names: string): Promise<void> {
  await query(cluster.url(), `alter system set synchronous_standby_names = '${names}'`);
  await reload(cluster);
}

const caughtUp = (primary: Cluster): Promise<unknown> =>
  until(
    async () => {
      const [row] = await query(
        primary.url(),
        `select bool_and(replay_lsn >= pg_current_wal_lsn()) as is_so from pg_stat_replication`,
      );
      return row?.['is_so'] === true;
    },
    { describe: 'the standby has everything' },
  );

async function whoLeads(...contenders: Contender[]): Promise<{
  readonly controller: Contender['controller'];
  readonly token: bigint;
}> {
  return until(
    () => {
      const { controller } = contenders.find((each) => each.controller.isActive()) ?? {};
      const token = controller?.term?.token;
      return controller === undefined || token === undefined ? undefined : { controller, token };
    },
    { timeoutMs: 30_000, describe: 'somebody leads' },
  );
}

const tokens = async (election: Election): Promise<bigint[]> =>
  (await election.terms()).map(({ token }) => BigInt(token));
