import { expect, test } from 'vitest';
import { startProxy } from '../support/proxy.ts';
import { lockDatabase } from './database.ts';

test('who waits for a moment has what is free, also from a manager that has not connected yet', async () => {
  await using lockd = await lockDatabase();
  for (const waitMs of [1, 5, 20]) {
    const locks = lockd.manager();
    await using hold = await locks.acquire(`free:${waitMs}`, { waitMs });
    expect(hold.isHeld()).toBe(true);
  }
});

test('who waits for a moment for what is not free is told so', async () => {
  await using lockd = await lockDatabase();
  const [one, two] = [lockd.manager(), lockd.manager()];
  await one.acquire('busy', { owner: 'one' });
  for (const waitMs of [1, 2, 3, 10]) {
    await expect(two.acquire('busy', { waitMs, mode: 'shared' })).rejects.toMatchObject({
      code: 'LOCKD_BUSY',
      message: expect.stringMatching(/^"busy" was not free within \d+ ms: held by "one"/),
    });
  }
  expect((await one.inspect('busy')).waiters).toEqual([]);
});

test('a moment is no longer than an answer may take where the database does not answer', async () => {
  await using lockd = await lockDatabase();
  await using proxy = await startProxy(lockd.url);
  const locks = lockd.manager({
    connectionString: proxy.url(),
    ttlMs: 60_000,
    callTimeoutMs: 300,
    connectTimeoutMs: 300,
  });
  await locks.using('x', () => {});
  proxy.blackhole();
  const began = performance.now();
  await expect(locks.acquire('x', { waitMs: 1 })).rejects.toMatchObject({
    code: 'LOCKD_UNAVAILABLE',
  });
  expect(performance.now() - began).toBeLessThan(300 + 3_000);
  proxy.heal();
});
