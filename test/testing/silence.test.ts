import { expect, test } from 'vitest';
import { FakeClock } from '../../src/testing/index.ts';
import { name, setup, stopBots, ttlMs } from './bots.ts';

stopBots();

test('a bot that nothing reaches stops by itself, before its lease is over and another one begins', async () => {
  const { clock, server, two } = setup();
  const [leader, standby] = await two();
  server.cutOff(leader.lock);
  const began = clock.mono();
  const ends: number[] = [];
  leader.lock.once('passive', () => ends.push(clock.mono() - began));
  standby.lock.once('active', () => ends.push(clock.mono() - began));
  for (let step = 0; step < 150; step += 1) {
    await clock.advance(100);
    expect([leader, standby].filter(({ lock }) => lock.isActive()).length).toBeLessThan(2);
  }
  expect(leader.told).toEqual(['active', 'passive: deadline-passed']);
  expect(standby.told).toEqual(['active']);
  const [stopped = 0, followed = 0] = ends;
  expect(stopped).toBeLessThan(followed);
  expect(followed).toBeLessThan(ttlMs + 500);
  expect(followed).toBeGreaterThan(ttlMs - 2_500);
  server.mend(leader.lock);
  await clock.advance(2 * ttlMs);
  expect([leader.lock.state, standby.lock.state]).toEqual(['passive', 'active']);
  await standby.lock.stop();
  await clock.advance(0);
  expect(leader.lock.state).toBe('active');
});

test('a bot whose machine slept past its lease does not reply when it wakes', async () => {
  const { add } = setup();
  const asleep = new FakeClock();
  const leader = add({}, asleep);
  await leader.lock.start();
  asleep.suspend(ttlMs);
  expect(leader.lock.isActive()).toBe(false);
  await leader.hear('chat 1', 'hello');
  expect(leader.sent).toEqual(['chat 1: not me, now']);
});

test('a bot whose event loop was blocked past its lease does not reply', async () => {
  const { clock, add } = setup();
  const leader = add();
  await leader.lock.start();
  clock.stall(ttlMs);
  await leader.hear('chat 1', 'hello');
  expect(leader.sent).toEqual(['chat 1: not me, now']);
});

test('a bot that is cut off while it stands in the queue keeps the seat from nobody for long', async () => {
  const { clock, server, add, two } = setup();
  const [leader, cut] = await two();
  server.cutOff(cut.lock);
  const third = add();
  void third.lock.start();
  await clock.advance(50);
  await leader.lock.stop();
  await clock.advance(4_000); // until the server finds the session of the first in the queue idle
  expect(third.lock.state).toBe('active');
  expect(cut.lock.state).toBe('passive');
});

test('a bot that is cut off confesses when the line is mended', async () => {
  const { clock, server, add } = setup();
  const leader = add();
  await leader.lock.start();
  server.cutOff(leader.lock);
  await clock.advance(3 * ttlMs); // its connections, too, are given up and tried again
  expect(leader.told).toEqual(['active', 'passive: deadline-passed']);
  expect(server.leaseOf(name).isEnded).toBe(false);
  const standby = add();
  void standby.lock.start();
  await clock.advance(0);
  expect(standby.lock.state).toBe('passive'); // has the seat, waits for the lease
  server.mend(leader.lock);
  await clock.advance(ttlMs / 2);
  expect(standby.lock.state).toBe('active');
});
