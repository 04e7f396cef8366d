import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { FakeClock } from '../../src/testing/index.ts';

function setup() {
  const clock = new FakeClock();
  const began = clock.mono();
  const story: string[] = [];
  const note = (what: string): void => void story.push(`${what} at ${clock.mono() - began}`);
  const setTimer = (ms: number, callback: () => void) => clock.setTimer(began + ms, callback);
  return { clock, began, story, note, setTimer };
}

test('timers run in the order of their times, each at its own', async () => {
  const { clock, story, note, setTimer } = setup();
  setTimer(20, () => note('second'));
  setTimer(10, () => note('first'));
  setTimer(31, () => note('later'));
  await clock.advance(30);
  expect(story).toEqual(['first at 10', 'second at 20']);
  await clock.advance(1);
  expect(story).toHaveLength(3);
});

test('what a timer causes happens before the next one runs, and at its time', async () => {
  const { clock, story, note, setTimer } = setup();
  setTimer(10, () => {
    void turn()
      .then(() => note('promise'))
      .then(() => setTimer(15, () => note('timer set meanwhile')));
  });
  setTimer(20, () => note('next'));
  await clock.advance(20);
  expect(story).toEqual(['promise at 10', 'timer set meanwhile at 15', 'next at 20']);
});

test('a cancelled timer does not run', async () => {
  const { clock, story, note, setTimer } = setup();
  const cancel = setTimer(10, () => note('cancelled'));
  cancel();
  await clock.advance(20);
  expect(story).toEqual([]);
});

test('without time passing, what waits only for its turn happens', async () => {
  const { clock, story, note, setTimer } = setup();
  void Promise.resolve().then(() => note('promise'));
  setTimer(-5, () => note('overdue'));
  await clock.advance(0);
  expect(story).toEqual(['promise at 0', 'overdue at 0']);
});

test('stalled, time passes and no timer runs until it goes on', async () => {
  const { clock, began, story, note, setTimer } = setup();
  const boot = clock.boot();
  setTimer(10, () => note('late'));
  clock.stall(30);
  expect([clock.mono() - began, clock.boot() - boot, story.length]).toEqual([30, 30, 0]);
  await clock.advance(0);
  expect(story).toEqual(['late at 30']);
});

test('suspended, only the boot-time clock goes on', () => {
  const { clock, began } = setup();
  const boot = clock.boot();
  clock.suspend(30);
  expect([clock.mono() - began, clock.boot() - boot]).toEqual([0, 30]);
});

test('a timer that is set for the past again and again is found, not followed for ever', async () => {
  const { clock, setTimer } = setup();
  const again = (): void => void setTimer(-1, again);
  again();
  await expect(clock.advance(1)).rejects.toThrow('again and again');
});

test('as much time passes as a promise takes, and what it brings is the answer', async () => {
  const { clock, began, setTimer } = setup();
  const promise = new Promise<string>((resolve) => setTimer(70, () => resolve('done')));
  setTimer(71, () => {});
  expect(await clock.until(promise)).toBe('done');
  expect(clock.mono() - began).toBe(70);
  await expect(clock.until(Promise.reject(new Error('refused')))).rejects.toThrow('refused');
  expect(clock.mono() - began).toBe(70);
});

test('a promise that nothing settles is not waited for for ever', async () => {
  const { clock, setTimer } = setup();
  const beat = (): void => void clock.setTimer(clock.mono() + 100, beat);
  setTimer(0, beat);
  const never = clock.until(new Promise(() => {}), 5_000);
  await expect(never).rejects.toThrow('waited in vain for 5000 ms');
});
