import { expect, test } from 'vitest';
import { holdElection } from '../support/election.ts';
import { startProxy } from '../support/proxy.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

test('a standby waits in the server’s queue: however long its attempt, a seat that comes free is its at once', async () => {
  const aMinute = { firstWaitMs: 60_000, maxWaitMs: 60_000 };
  await using election = await holdElection({ ttlMs: 60_000, ...aMinute });
  const old = await election.lead('old');
  const next = election.enter('next');
  void next.controller.start();
  await until(async () => (await election.waiters()).length === 1);
  const leftAt = now();
  await old.controller.stop();
  const active = await next.story.next('active');
  expect(active.at - leftAt).toBeLessThan(3_000);
  expect(next.story.of('attempt')).toHaveLength(1);
});

test('a standby that cannot connect asks again soon, however often it was refused', async () => {
  const reconnectMaxMs = 200;
  await using election = await holdElection({ ttlMs: 60_000, reconnectMaxMs });
  await using proxy = await startProxy(election.url);
  const old = await election.lead('old');
  const next = await election.standBy('next', {
    connectionString: proxy.url(),
    random: () => 0.999, // each pause is the whole pause
  });
  await proxy.refuse();
  proxy.cut();
  // Were the pauses to go on growing, the next one would be of a quarter of a minute.
  await until(() => next.story.logged('could not campaign').length >= 9, { timeoutMs: 30_000 });
  const pauses = next.story.logged('could not campaign').map(({ nextWaitMs }) => nextWaitMs);
  expect(Math.max(...(pauses as number[]))).toBeLessThanOrEqual(reconnectMaxMs);
  await old.controller.stop();
  await proxy.accept();
  const backAt = now();
  const active = await next.story.next('active');
  expect(active.at - backAt).toBeLessThan(3_000);
}, 60_000);
