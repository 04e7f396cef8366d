import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { overdue, Patience } from '../../src/core/locks/patience.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';

const forever = new Promise<never>(() => {});

test('what is waited for comes, or the reason why it is not waited for any more', async () => {
  const clock = new FakeClock();
  const patience = new Patience(clock, 100, undefined);
  expect(await patience.of(Promise.resolve(7))).toBe(7);
  const waiting = patience.of(forever).catch((reason: unknown) => reason);
  await clock.advance(99);
  expect(() => patience.throwIfOver()).not.toThrow();
  await clock.advance(1);
  expect(await waiting).toBe(overdue);
  expect(patience.signal).toMatchObject({ aborted: true, reason: overdue });
  patience.done();
});

test('the first reason wins, whoever gave it', async () => {
  const clock = new FakeClock();
  const abort = new AbortController();
  const patience = new Patience(clock, 100, abort.signal);
  const { signal } = patience;
  const why = new Error('stopped');
  patience.end(why);
  abort.abort(new Error('too late'));
  await clock.advance(100);
  await expect(patience.of(forever)).rejects.toBe(why);
  expect(signal.reason).toBe(why);
  expect(() => patience.throwIfOver()).toThrow(why);
  patience.done();
});

test('a signal that has aborted already is heeded at once', async () => {
  const reason = new Error('before');
  const patience = new Patience(
    new FakeClock(),
    Number.POSITIVE_INFINITY,
    AbortSignal.abort(reason),
  );
  expect(() => patience.throwIfOver()).toThrow(reason);
  await expect(patience.of(forever)).rejects.toBe(reason);
});

test('a hundred of one signal are one listener; nothing is left when they are done', () => {
  const clock = new FakeClock();
  const { signal } = new AbortController();
  const many = Array.from({ length: 100 }, () => new Patience(clock, 1_000, signal));
  expect([clock.pending, getEventListeners(signal, 'abort').length]).toEqual([100, 1]);
  for (const patience of many) patience.done();
  expect([clock.pending, getEventListeners(signal, 'abort').length]).toEqual([0, 0]);
});

test('whoever waits for ever sets no timer', () => {
  const clock = new FakeClock();
  new Patience(clock, Number.POSITIVE_INFINITY, undefined).done();
  new Patience(clock, Number.POSITIVE_INFINITY, undefined);
  expect(clock.pending).toBe(0);
});
