import { expect, test } from 'vitest';
import { holdElection } from '../support/election.ts';
import type { Host, HostLine } from '../support/host.ts';
import type { Happening } from '../support/story.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

const ttlMs = 4_000;
/** Beyond the TTL: a heartbeat until the beat was seen, a wait in the queue, a noisy machine. Not a second lease. */
const slackMs = 3_000;

test('the successor of a leader that crashed waits its lease out, and not much longer', async () => {
  await using election = await holdElection({ ttlMs });
  const old = await election.host('old');
  await old.next('active');
  const next = await election.standBy('next');
  await election.beats(2);
  old.kill();
  const killedAt = now();
  await old.process.closed;
  const active = await next.story.next('active');
  expectNoOverlap(old, active);
  expect(active.at).toBeLessThan(killedAt + ttlMs + slackMs);
  expect(next.story.logged('waits for the old lease')).toMatchObject([{ ground: 'observed' }]);
  expect(await election.terms()).toMatchObject([
    { label: 'old', ended_by: 'takeover' },
    { label: 'next', ended_by: null },
  ]);
});

test('one that comes after the crash knows no beat, and waits a whole lease from its grant', async () => {
  await using election = await holdElection({ ttlMs });
  const old = await election.host('old');
  await old.next('active');
  await election.beats(1);
  old.kill();
  await old.process.closed;
  const next = election.enter('next');
  await next.controller.start();
  const startedAt = now();
  const active = await next.story.next('active');
  expectNoOverlap(old, active);
  expect(next.story.logged('waits for the old lease')).toMatchObject([{ waitMs: ttlMs }]);
  expect(active.at - startedAt).toBeGreaterThan(ttlMs - 500);
});

test('a leader frozen past its lease is replaced, and never claims again once thawed', async () => {
  await using election = await holdElection({ ttlMs });
  const old = await election.host('old');
  await old.next('active');
  const next = await election.standBy('next');
  await election.beats(2);
  old.freeze();
  const frozenAt = now();
  const active = await next.story.next('active');
  expect(active.at).toBeLessThan(frozenAt + ttlMs + slackMs);
  old.thaw();
  const thawed = await old.next('thawed');
  expect(thawed.isActive).toBe(false);
  expect(await old.next('passive')).toMatchObject({ token: old.of('active')[0]?.token });
  expectNoOverlap(old, active);

  old.tell('report');
  const report = await old.next('report');
  expect(report.isActive).toBe(false);
  expectLastClaimBefore(report, active);
});

test('a leader frozen for less than its lease leads on, in the same term', async () => {
  await using election = await holdElection({ ttlMs: 4_000 });
  const old = await election.host('old');
  await old.next('active');
  const next = await election.standBy('next');
  await election.beats(1);
  old.freeze();
  await next.story.next('attempt');
  await next.story.next('attempt');
  old.thaw();
  await election.beats(3);
  expect(old.of('passive')).toEqual([]);
  expect(next.story.of('active')).toEqual([]);
});

test('a blocked event loop that asks its gate sees it close by itself', async () => {
  await using election = await holdElection({ ttlMs });
  const old = await election.host('old');
  await old.next('active');
  const next = await election.standBy('next');
  await election.beats(2);
  old.tell('block', 2 * ttlMs + 500);
  const active = await next.story.next('active');
  const blocked = await old.next('blocked');
  expect(blocked.samples).toBeGreaterThan(1_000);
  expect(blocked.isActive).toBe(false);
  expectLastClaimBefore(blocked, active);
  // It learns of its loss only now, and was not told before.
  const passive = await old.next('passive');
  expect(passive.at).toBeGreaterThan(active.at);
  expect(old.of('active')).toHaveLength(1);
});

test('the winner waits by the lease of a slower predecessor, not by its own', async () => {
  await using election = await holdElection();
  const old = await election.host('old', { ttlMs: 3_500 });
  await old.next('active');
  const next = await election.standBy('next', { ttlMs: 1_000 });
  await election.beats(1);
  old.kill();
  const killedAt = now();
  await old.process.closed;
  const active = await next.story.next('active', 15_000);
  expectNoOverlap(old, active);
  expect(active.at).toBeLessThan(killedAt + 3_500 + slackMs);
});

test('the winner waits no longer than the lease of a faster predecessor', async () => {
  await using election = await holdElection();
  const old = await election.host('old', { ttlMs: 1_000 });
  await old.next('active');
  const next = await election.standBy('next', { ttlMs: 20_000 });
  await election.beats(1);
  old.kill();
  const killedAt = now();
  await old.process.closed;
  const active = await next.story.next('active');
  expectNoOverlap(old, active);
  expect(active.at).toBeLessThan(killedAt + 1_000 + 5_000);
});

test('a frozen standby that is granted the seat keeps it for a moment only', async () => {
  await using election = await holdElection({ ttlMs: 9_000 });
  const leader = await election.lead('leader');
  const frozen = await election.host('frozen');
  const { seat } = await until(async () => {
    frozen.thaw();
    await until(() => election.waiters().then(({ length }) => length === 1));
    frozen.freeze();
    const [waiter] = await election.waiters();
    return waiter === undefined ? undefined : { seat: waiter.pid };
  });
  await leader.controller.stop();
  expect(await election.seatHolders()).toEqual([{ pid: seat }]);
  const stoppedAt = now();
  const next = election.enter('next');
  await next.controller.start();
  const active = await next.story.next('active');
  expect(active.at - stoppedAt).toBeLessThan(5_000);
});

/** The old gate had closed, by its own last deadline, when the new one opened. */
function expectNoOverlap(old: Host, active: Happening): void {
  expect(old.trustedUntil).toBeGreaterThan(0);
  expect(active.at).toBeGreaterThan(old.trustedUntil);
}

function expectLastClaimBefore({ lastTrue }: HostLine, active: Happening): void {
  expect(lastTrue).toBeDefined();
  expect(lastTrue).toBeLessThan(active.at);
}
