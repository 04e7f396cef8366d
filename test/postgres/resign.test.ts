import { expect, test } from 'vitest';
import { Bell } from '../../src/postgres/asking.ts';
import { resignLeader, untilOver } from '../../src/postgres/resign.ts';
import type { NameStatus } from '../../src/postgres/status.ts';
import { holdElection } from '../support/election.ts';
import { deferred } from '../support/wait.ts';

const asked = { token: 7n, instance: 'a' };

test('the end of the asked term ends the wait, and so does another term', async () => {
  const ended = scene([leading(7n), leading(7n), over(7n)]);
  expect(await ended.wait(60_000)).toMatchObject({ isOver: true, tookMs: 2_000 });
  const replaced = scene([leading(7n), leading(9n)]);
  expect(await replaced.wait(60_000)).toMatchObject({ isOver: true, tookMs: 1_000 });
});

test('whoever waits is given a moment to take over, and is told then', async () => {
  const { wait } = scene([over(7n, 'b'), over(7n, 'b'), leading(9n)]);
  expect(await wait(60_000)).toMatchObject({
    isOver: true,
    tookMs: 0,
    status: { leader: { token: 9n } },
  });
});

test('nobody is waited for where only the one that resigned waits', async () => {
  const { wait, looks } = scene([over(7n, 'a')]);
  expect(await wait(60_000)).toMatchObject({ isOver: true, status: { isLed: false } });
  expect(looks()).toBe(1);
});

test('a successor that never comes is waited for only a moment', async () => {
  const { wait, clock } = scene([over(7n, 'b')]);
  expect(await wait(60_000)).toMatchObject({ isOver: true, status: { isLed: false } });
  expect(clock()).toBe(2_000);
});

test('the wait is bounded, and its last look is at the very end', async () => {
  const { wait, clock, looks } = scene([leading(7n)]);
  expect(await wait(2_500)).toMatchObject({ isOver: false, tookMs: 2_500 });
  expect(clock()).toBe(2_500);
  expect(looks()).toBe(4);
});

test('a leader that falls silent is still waited for: its work may go on', async () => {
  const { wait } = scene([{ ...leading(7n), isLed: false }]);
  expect(await wait(1_000)).toMatchObject({ isOver: false });
});

test('a bell that rings between two waits ends the next one at once', async () => {
  const bell = new Bell();
  bell.ring();
  bell.ring();
  await bell.heard(60_000);
  const heard = bell.heard(60_000);
  bell.ring();
  await heard;
  await bell.heard(1);
});

test('a leader that is asked lets go, and whoever waits is told of', async () => {
  await using election = await holdElection({ ttlMs: 10_000 });
  const { controller, story } = await election.lead('leader');
  const token = controller.term?.token;
  await election.bothBackends('leader');
  await election.standBy('next');
  const where = { connectionString: election.url };
  expect(await resignLeader(where, election.name, { timeoutMs: (ttlMs) => ttlMs })).toMatchObject({
    outcome: 'resigned',
    asked: { label: 'leader', token },
    isHeard: true,
    status: { isLed: true, leader: { label: 'next' } },
  });
  expect(await story.next('passive')).toMatchObject({ reason: 'resigned' });
});

test('a leader that does not let go in time is told of, and goes on', async () => {
  await using election = await holdElection({ ttlMs: 10_000 });
  const { controller, story } = await election.lead('leader');
  await election.bothBackends('leader');
  const work = deferred();
  void controller.track(work.promise);
  const where = { connectionString: election.url };
  expect(await resignLeader(where, election.name, { timeoutMs: () => 300 })).toMatchObject({
    outcome: 'timed-out',
    status: { leader: { label: 'leader' } },
  });
  work.resolve();
  await story.next('passive');
});

test('without a wait it is only asked, and nobody is asked where nobody leads', async () => {
  await using election = await holdElection({ ttlMs: 10_000 });
  const where = { connectionString: election.url };
  expect(await resignLeader(where, election.name)).toEqual({
    outcome: 'nobody',
    status: undefined,
  });
  const { controller, story } = await election.lead('leader');
  await election.bothBackends('leader');
  expect(await resignLeader(where, election.name)).toMatchObject({ outcome: 'asked' });
  await story.next('passive');
  await controller.stop();
  expect(await resignLeader(where, election.name)).toMatchObject({
    outcome: 'nobody',
    status: { isLed: false },
  });
});

/** A server that shows these pictures one after the other, and a clock that only pauses move. */
function scene(pictures: readonly NameStatus[]) {
  let now = 0;
  let looks = 0;
  return {
    clock: () => now,
    looks: () => looks,
    wait: (timeoutMs: number) =>
      untilOver(
        asked,
        timeoutMs,
        async () => pictures[Math.min(looks++, pictures.length - 1)],
        async (ms) => {
          now += ms;
        },
        () => now,
      ),
  };
}

const leading = (token: bigint): NameStatus =>
  ({ isLed: true, leader: { token, state: 'leading' }, waiting: [] }) as unknown as NameStatus;

const over = (token: bigint, ...waiting: string[]): NameStatus =>
  ({
    isLed: false,
    leader: { token, state: 'ended' },
    waiting: waiting.map((instance) => ({ instance })),
  }) as unknown as NameStatus;
