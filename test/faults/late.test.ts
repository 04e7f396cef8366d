import { expect, test } from 'vitest';
import { holdElection } from '../support/election.ts';
import { startProxy } from '../support/proxy.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

const ttlMs = 1_500;

test('an acknowledgement that comes after the deadline revives nothing', async () => {
  await using election = await holdElection({ ttlMs });
  await using proxy = await startProxy(election.url);
  const old = await election.lead('old', { connectionString: proxy.url() });
  const next = await election.standBy('next');
  await election.beats(1);
  const { seat } = await election.bothBackends('old');

  const answer = proxy.hold('to-client', isAnswer);
  await answer.arrived;
  expect(await old.story.next('passive')).toMatchObject({ reason: 'deadline-passed' });
  expect(old.controller.isActive()).toBe(false);
  answer.release();
  const active = await next.story.next('active');
  expect(old.story.of('active')).toHaveLength(1);
  expect(await old.story.next('observed')).toMatchObject({ token: active.token });
  expect(await election.seatHolders()).not.toContainEqual({ pid: seat });
});

test('trust counts from the sending: a slow answer is worth less', async () => {
  await using election = await holdElection({ ttlMs });
  await using proxy = await startProxy(election.url);
  const { controller } = await election.lead('leader', { connectionString: proxy.url() });
  const delayMs = 150;
  proxy.delay(delayMs);
  await election.beats(3); // the beats under way when the delay began are answered
  let longest = 0;
  const sampler = setInterval(() => {
    longest = Math.max(longest, controller.term?.validForMs() ?? 0);
  }, 1);
  await election.beats(4);
  clearInterval(sampler);
  expect(controller.isActive()).toBe(true);
  expect(longest).toBeGreaterThan(0);
  expect(longest).toBeLessThanOrEqual(ttlMs - 100 - 2 * delayMs);
  proxy.heal();
});

test('a takeover that is acknowledged after its deadline is given back, and opens no gate', async () => {
  // A wide margin: the answer comes after the deadline, and before the server ends the session.
  await using election = await holdElection({ ttlMs: 3_000, marginMs: 1_500 });
  await using proxy = await startProxy(election.url);
  const { controller, story } = election.enter('late', { connectionString: proxy.url() });
  const answer = proxy.hold('to-client', isTakeover);
  const started = controller.start();
  await answer.arrived;
  const arrivedAt = now();
  await until(() => now() > arrivedAt + 1_500);
  answer.release();
  await started;
  const active = await story.next('active');
  const [first, second] = await election.terms();
  expect(first).toMatchObject({ ended_by: 'release', reason: 'deadline-passed' });
  expect(String(active.token)).toBe(second?.token);
  expect(story.of('active')).toHaveLength(1);
});

test('a takeover whose answer is lost is not led under, and costs one lease at most', async () => {
  await using election = await holdElection({ ttlMs, callTimeoutMs: 1_000 });
  await using proxy = await startProxy(election.url);
  const { controller, story } = election.enter('unlucky', { connectionString: proxy.url() });
  const answer = proxy.hold('to-client', isTakeover);
  const started = controller.start();
  await answer.arrived;
  await story.next('warning');
  answer.release();
  await started;
  const active = await story.next('active');
  const terms = await election.terms();
  expect(String(active.token)).toBe(terms.at(-1)?.token);
  expect(story.of('active')).toHaveLength(1);
});

/** The names of the columns travel with the rows. A notice of a takeover has none. */
const isAnswer = (chunk: Buffer): boolean => chunk.includes('is_kept');
const isTakeover = (chunk: Buffer): boolean => chunk.includes('blockers');
