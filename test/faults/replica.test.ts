import { expect, test } from 'vitest';
import type { Cluster } from '../../src/embedded/cluster.ts';
import { descendants } from '../../src/embedded/processes.ts';
import { startTestCluster } from '../support/cluster.ts';
import { query, withDatabase } from '../support/database.ts';
import { holdElection } from '../support/election.ts';
import { expectNoSessions } from '../support/leaks.ts';
import { startProxy } from '../support/proxy.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

test('a replica is refused; promoted behind the truth, it is led after a whole lease, under a higher token', async () => {
  const ttlMs = 4_000;
  await using primary = await startTestCluster();
  await using link = await startProxy(primary.url());
  await using standby = await primary.startStandby({
    settings: {
      primary_conninfo: `host=127.0.0.1 port=${link.port} user=postgres application_name=standby`,
      wal_retrieve_retry_interval: '100ms',
    },
  });
  await using election = await holdElection({ ttlMs }, primary.url());
  const replica = withDatabase(standby.url(), election.database);
  const first = await election.lead('first');
  await first.controller.stop();
  await until(() => isEnded(replica));
  const refused = election.enter('refused', { connectionString: replica });
  await expect(refused.controller.start()).rejects.toMatchObject({ code: 'LOCKD_REPLICA' });

  // A whole takeover that the standby never hears of, by a leader that is cut off thereafter.
  await link.refuse();
  link.cut();
  await using way = await startProxy(election.url);
  const lost = await election.lead('lost', { connectionString: way.url() });
  await election.beats(1);
  way.blackhole();
  await standby.promote();
  expect(await isEnded(replica)).toBe(true); // so it says

  const next = election.enter('next', { connectionString: replica });
  await next.controller.start();
  const startedAt = now();
  const active = await next.story.next('active');
  expect(next.story.logged('waits for the old lease')).toMatchObject([{ ground: 'doubtful' }]);
  expect(active.at - startedAt).toBeGreaterThan(ttlMs - 500);
  expect(active.token).toBeGreaterThan(lost.story.of('active')[0]?.token as bigint);
  expect(lost.story.of('passive')).toMatchObject([{ reason: 'deadline-passed' }]);

  // The promotion is recorded now: who comes next waits no more.
  await lost.controller.stop();
  await next.controller.stop();
  const leftAt = now();
  const later = await election.lead('later', { connectionString: replica });
  expect(now() - leftAt).toBeLessThan(ttlMs / 2);
  await later.controller.stop();
  await expectNoSessions(replica);
});

test('a beat counts only when the synchronous standby has it too', async () => {
  await using primary = await startTestCluster();
  await using standby = await primary.startStandby();
  await using election = await holdElection({ ttlMs: 3_000 }, primary.url());
  await query(primary.url(), "alter system set synchronous_standby_names = 'standby'");
  await query(primary.url(), 'select pg_reload_conf()');
  const { story } = await election.lead('leader');
  await election.beats(1);
  {
    await using _ = await frozen(standby);
    expect(await story.next('passive')).toMatchObject({ reason: 'deadline-passed' });
    expect((await election.terms()).length).toBe(1);
  }
  await story.next('active');
  await election.beats(1);
  {
    await using _ = await frozen(standby);
    const { seat } = await election.bothBackends('leader');
    const isWaiting = `select from pg_stat_activity where pid = $1 and wait_event = 'SyncRep'`;
    await until(async () => (await query(primary.url(), isWaiting, [seat])).length === 1);
    await query(primary.url(), 'select pg_cancel_backend($1)', [seat]);
    // The server calls the beat done, with a warning: it is not.
    expect(await story.next('passive')).toMatchObject({ reason: 'session-lost' });
    expect(story.logged('became passive').at(-1)).toMatchObject({
      cause: expect.stringContaining('warning'),
    });
  }
  await story.next('active');
  await query(primary.url(), 'alter system reset synchronous_standby_names');
  await query(primary.url(), 'select pg_reload_conf()');
});

async function isEnded(url: string): Promise<boolean> {
  const [row] = await query(url, 'select ended_at is not null as is_ended from lockd.lease');
  return row?.['is_ended'] === true;
}

/** Every process of a server, stopped until disposed. */
async function frozen({ pid }: Cluster): Promise<AsyncDisposable> {
  const all = [pid, ...(await descendants(pid))];
  for (const each of all) process.kill(each, 'SIGSTOP');
  return {
    async [Symbol.asyncDispose]() {
      for (const each of all) process.kill(each, 'SIGCONT');
    },
  };
}
