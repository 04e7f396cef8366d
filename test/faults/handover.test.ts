import { expect, test } from 'vitest';
import { startTestCluster } from '../support/cluster.ts';
import { holdElection } from '../support/election.ts';
import { now } from '../support/story.ts';
import { deferred, until } from '../support/wait.ts';

test('a leader that stops is replaced in a small part of its lease', async () => {
  await using election = await holdElection({ ttlMs: 10_000 });
  const old = await election.lead('old');
  const next = await election.standBy('next');
  const before = now();
  await old.controller.stop();
  const active = await next.story.next('active');
  expect(active.at - before).toBeLessThan(2_000);
  expect(active.token).toBeGreaterThan(old.story.of('active')[0]?.token as bigint);
  expect(old.story.of('passive')).toMatchObject([{ reason: 'stopped' }]);
  expect(next.story.logged('waits for the old lease')).toEqual([]);
});

test('gate, signal, work, seat: in this order, and beats go on while the work finishes', async () => {
  await using election = await holdElection();
  const old = await election.lead('old');
  const next = await election.standBy('next');
  const steps: string[] = [];
  const work = deferred();
  const { term } = old.controller;
  term?.signal.addEventListener('abort', () => {
    steps.push(old.controller.isActive() ? 'abort, gate open' : 'abort, gate closed');
  });
  void old.controller.track(work.promise).then(() => steps.push('drained'));
  next.controller.on('active', () => steps.push('next'));

  const stopped = old.controller.stop().then(() => steps.push('stopped'));
  expect(steps).toEqual(['abort, gate closed']);
  expect(term?.signal.reason).toMatchObject({ code: 'LOCKD_LOST' });
  expect(old.controller.state).toBe('draining');
  await election.beats(8); // more than a TTL of them
  expect(steps).toEqual(['abort, gate closed']);

  work.resolve();
  await next.story.next('active');
  await stopped;
  expect(steps.slice(0, 2)).toEqual(['abort, gate closed', 'drained']);
  expect(new Set(steps.slice(2))).toEqual(new Set(['next', 'stopped']));
});

test('of 200 quick handovers, no successor waits or reads a row that has not ended', async () => {
  await using election = await holdElection({ ttlMs: 30_000, firstWaitMs: 5, maxWaitMs: 1_000 });
  const contenders = ['a', 'b', 'c'].map((label) => election.enter(label));
  // Of whichever of them: the one that resigned may be the first in the queue again.
  const nextTerm = () =>
    new Promise<void>((resolve) => {
      for (const { controller } of contenders) controller.once('active', () => resolve());
    });
  const led = nextTerm();
  await Promise.all(contenders.map(({ controller }) => controller.start()));
  await led;
  let slowest = 0;
  for (let round = 0; round < 200; round += 1) {
    const resignedAt = now();
    const next = nextTerm();
    for (const { controller } of contenders) void controller.resign();
    await next;
    slowest = Math.max(slowest, now() - resignedAt);
  }
  expect(slowest).toBeLessThan(5_000);
  for (const { story } of contenders) expect(story.logged('waits for the old lease')).toEqual([]);
  const terms = await election.terms();
  expect(terms.length).toBeGreaterThanOrEqual(201);
  expect(terms.slice(0, -1).every(({ ended_by: by }) => by === 'release')).toBe(true);
}, 60_000);

test('campaigning, handing over and leaving put nothing but ordinary lines into the log', async () => {
  await using cluster = await startTestCluster();
  {
    await using election = await holdElection({ ttlMs: 6_000 }, cluster.url());
    const [a, b] = [await election.lead('a'), await election.standBy('b')];
    for (let round = 0; round < 5; round += 1) await b.story.next('attempt');
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      void from.controller.resign();
      await to.story.next('active');
      for (let round = 0; round < 3; round += 1) await from.story.next('attempt');
    }
    await a.controller.stop();
  }
  expect(trouble(cluster.log())).toEqual([]);
});

test('a standby that stops in the middle of a long attempt leaves one line in the log, and no error', async () => {
  await using cluster = await startTestCluster();
  {
    await using election = await holdElection({ ttlMs: 10_000 }, cluster.url());
    await election.lead('leader');
    const { controller, story } = await election.standBy('standby');
    await until(() => (story.of('attempt').at(-1)?.waitMs ?? 0) > 1_300, { timeoutMs: 20_000 });
    await controller.stop();
    await until(async () => (await election.backends('standby')).seat === null);
  }
  // The server says so whenever a client leaves while it waits; anything quieter would wait as long.
  const isLeaving = (line: string): boolean => line.endsWith('FATAL:  connection to client lost');
  expect(trouble(cluster.log()).filter((line) => !isLeaving(line))).toEqual([]);
});

const trouble = (log: string): string[] =>
  log.split('\n').filter((line) => /(ERROR|FATAL|PANIC|WARNING):/.test(line));
