import { expect, test } from 'vitest';
import { holdElection, terminate } from '../support/election.ts';
import { now } from '../support/story.ts';
import { deferred, until } from '../support/wait.ts';

const ttlMs = 1_500;
const overrun = 'drain overruns';

test('a drain that overruns is warned about, and keeps the seat until the work has finished', async () => {
  await using election = await holdElection({ ttlMs, drainTimeoutMs: 200 });
  const old = await election.lead('old');
  const next = await election.standBy('next');
  const work = deferred();
  void old.controller.track(work.promise);
  const stopped = old.controller.stop();
  expect(await old.story.next('warning')).toMatchObject({
    code: 'LOCKD_DRAIN_OVERRUN',
    message: expect.stringContaining(overrun),
  });
  await election.beats(8);
  expect(next.story.of('active')).toEqual([]);
  expect(old.controller.state).toBe('draining');
  work.resolve();
  await stopped;
  await next.story.next('active');
  expect(await election.terms()).toMatchObject([{ ended_by: 'release', reason: 'stopped' }, {}]);
});

for (const verb of ['stop', 'resign'] as const) {
  test(`a forced ${verb} whose drain overruns gives the seat up unmarked, so the successor waits`, async () => {
    await using election = await holdElection({ ttlMs, drainTimeoutMs: 200 });
    const old = await election.lead('old');
    const next = await election.standBy('next');
    const work = deferred();
    void old.controller.track(work.promise);
    const left = old.controller[verb]({ force: true });
    await left;
    const leftAt = now();
    // A forced stop is over; whoever resigned is out of the race until its work has finished.
    expect(old.controller.state).toBe(verb === 'stop' ? 'stopped' : 'draining');
    expect(await election.lease()).toMatchObject({ label: 'old', ended_by: null });
    const active = await next.story.next('active');
    expect(active.at - leftAt).toBeGreaterThan(ttlMs / 2);
    expect(await election.terms()).toMatchObject([{ ended_by: 'takeover' }, {}]);
    work.resolve();
  });

  test(`a ${verb} that waits for its work can still be forced`, async () => {
    await using election = await holdElection({ ttlMs, drainTimeoutMs: 100 });
    const old = await election.lead('old');
    const next = await election.standBy('next');
    const work = deferred();
    void old.controller.track(work.promise);
    const left = old.controller[verb]();
    await old.story.next('warning');
    void old.controller[verb]({ force: true });
    await next.story.next('active');
    work.resolve();
    await left;
  });
}

test('a leader that lost and whose drain overruns confesses nothing, and stays out until it settles', async () => {
  await using election = await holdElection({ ttlMs, drainTimeoutMs: 100 });
  const old = await election.lead('old');
  const next = await election.standBy('next');
  const work = deferred();
  void old.controller.track(work.promise);
  await election.beats(1);
  const { seat } = await election.bothBackends('old');
  await terminate(election.url, seat);
  const lost = await old.story.next('passive');
  expect(await old.story.next('warning')).toMatchObject({
    message: expect.stringContaining(overrun),
  });
  const active = await next.story.next('active');
  expect(active.at - lost.at).toBeGreaterThan(ttlMs / 2);
  await election.beats(3);
  expect(old.story.all.at(-1)).toMatchObject({ what: 'warning' });
  expect((await election.backends('old')).seat).toBeNull();

  work.resolve();
  await old.story.next('attempt');
  await next.controller.stop();
  await old.story.next('active');
  expect((await election.terms())[0]).toMatchObject({ label: 'old', ended_by: 'takeover' });
});

test('work that overran is not confessed when it ends at last: the lease runs out', async () => {
  await using election = await holdElection({ ttlMs: 4_000, drainTimeoutMs: 100 });
  const old = await election.lead('old');
  const next = await election.standBy('next');
  const work = deferred();
  void old.controller.track(work.promise);
  const { seat } = await election.bothBackends('old');
  await terminate(election.url, seat);
  const lost = await old.story.next('passive');
  await old.story.next('warning');
  work.resolve();
  await old.story.next('attempt');
  const active = await next.story.next('active');
  expect(active.at - lost.at).toBeGreaterThan(2_000);
  expect((await election.terms())[0]).toMatchObject({ label: 'old', ended_by: 'takeover' });
});

test('a leader that loses its session while it drains finishes, confesses, and stops', async () => {
  await using election = await holdElection({ ttlMs: 20_000 });
  const old = await election.lead('old');
  const next = await election.standBy('next');
  const work = deferred();
  void old.controller.track(work.promise);
  const stopped = old.controller.stop();
  const { seat } = await election.bothBackends('old');
  await terminate(election.url, seat);
  await until(() => next.story.logged('waits for the old lease').length > 0);
  work.resolve();
  await stopped;
  const stoppedAt = now();
  const active = await next.story.next('active');
  expect(active.at - stoppedAt).toBeLessThan(5_000);
  expect(await election.terms()).toMatchObject([{ ended_by: 'confession', reason: 'stopped' }, {}]);
});
