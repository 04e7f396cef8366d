import { expect, test } from 'vitest';
import { startTestCluster } from '../support/cluster.ts';
import { query } from '../support/database.ts';
import { type Contender, type Election, holdElection } from '../support/election.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

/** A lease that nobody can have waited for within the bound below. */
const long = { ttlMs: 30_000 };
const promptMs = 12_000;

for (const mode of ['fast', 'immediate'] as const) {
  test(`an ${mode === 'fast' ? 'orderly' : 'immediate'} restart of the server costs a drain, not a lease`, async () => {
    await using cluster = await startTestCluster();
    await using election = await holdElection(long, cluster.url());
    const both = await twoContenders(election);
    await cluster.restart(mode);
    await expectPromptSuccession(election, both);
  });
}

test('a crash of the whole server costs a drain, not a lease', async () => {
  await using cluster = await startTestCluster();
  await using election = await holdElection(long, cluster.url());
  const both = await twoContenders(election);
  await cluster.crash();
  await cluster.start();
  await expectPromptSuccession(election, both);
});

test('a killed backend, which resets the whole server, costs a drain, not a lease', async () => {
  await using cluster = await startTestCluster();
  await using election = await holdElection(long, cluster.url());
  const both = await twoContenders(election);
  const { seat } = await election.bothBackends('old');
  process.kill(seat, 'SIGKILL');
  await expectPromptSuccession(election, both);
  expect(cluster.log()).toContain('all server processes terminated; reinitializing');
});

test('a leader that is frozen while the server restarts is waited for', async () => {
  await using cluster = await startTestCluster();
  await using election = await holdElection({ ttlMs: 2_500 }, cluster.url());
  const old = await election.host('old');
  await old.next('active');
  const next = await election.standBy('next');
  await election.beats(2);
  old.freeze();
  const frozenAt = now();
  await cluster.restart('immediate');
  const active = await next.story.next('active');
  expect(active.at).toBeGreaterThan(old.trustedUntil);
  expect(active.at).toBeLessThan(frozenAt + 2_500 + 4_000);
  old.thaw();
  expect(await old.next('thawed')).toMatchObject({ isActive: false });
  await old.next('passive');
  expect(old.of('thawed')[0]?.lastTrue).toBeLessThan(active.at);
});

test('a server that shuts down smartly is not held up, and led again after its start', async () => {
  await using cluster = await startTestCluster();
  await using election = await holdElection({ ttlMs: 2_000 }, cluster.url());
  const { old, next } = await twoContenders(election);
  const third = await election.standBy('third');
  const before = now();
  await cluster.stop('smart');
  // One lease until the leader asks the server, and not another one for each successor.
  expect(now() - before).toBeLessThan(2_000 + 1_500);
  expect(old.story.of('passive')).toMatchObject([{ reason: 'server-shutdown' }]);
  expect([old, next, third].map(({ controller }) => controller.isActive())).toEqual([
    false,
    false,
    false,
  ]);
  await cluster.start();
  await until(() => [old, next, third].some(({ controller }) => controller.isActive()));
});

test('nor is it by the witnesses of those who lead and wait', async () => {
  await using cluster = await startTestCluster();
  await using election = await holdElection({ ttlMs: 2_000 }, cluster.url());
  const old = await election.host('old', { guard: true });
  await old.next('active');
  const next = await election.host('next', { guard: true });
  const sessions = async () =>
    (
      await query(
        cluster.url(),
        `select from pg_stat_activity where application_name like 'lockd:%'`,
      )
    ).length;
  await until(async () => (await sessions()) === 6, { describe: 'both witnesses are connected' });
  await cluster.stop('smart');
  await cluster.start();
  await until(() => old.of('active').length + next.of('active').length > 1, { timeoutMs: 15_000 });
}, 60_000);

test('a standby that lost its seat session during a smart shutdown does not hold it up either', async () => {
  await using cluster = await startTestCluster();
  await using election = await holdElection({ ttlMs: 2_000 }, cluster.url());
  const { old, next } = await twoContenders(election);
  const { seat } = await election.bothBackends('next');
  const stopped = cluster.stop('smart');
  await until(() => cluster.log().includes('received smart shutdown request'));
  process.kill(seat, 'SIGTERM'); // no new connection could ask for it
  await next.story.next('warning');
  await stopped;
  await cluster.start();
  await until(() => [old, next].some(({ controller }) => controller.isActive()));
}, 60_000);

async function twoContenders(election: Election): Promise<{ old: Contender; next: Contender }> {
  const old = await election.lead('old');
  const next = await election.standBy('next');
  return { old, next };
}

/** Somebody leads again, in a new term, long before the old lease would have run out. */
async function expectPromptSuccession(
  election: Election,
  { old, next }: { old: Contender; next: Contender },
): Promise<void> {
  const backAt = now();
  expect(await old.story.next('passive')).toMatchObject({ reason: 'session-lost' });
  await until(() => [old, next].some(({ controller }) => controller.isActive()), {
    timeoutMs: promptMs,
  });
  expect(now() - backAt).toBeLessThan(promptMs);
  const [first, second] = await election.terms();
  expect(first?.label).toBe('old');
  expect(BigInt(second?.token ?? 0)).toBeGreaterThan(BigInt(first?.token ?? 0));
}
