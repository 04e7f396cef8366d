import { expect, test } from 'vitest';
import type { LockManager } from '../../src/index.ts';
import { startProxy } from '../support/proxy.ts';
import { until } from '../support/wait.ts';
import { lockDatabase } from './database.ts';

const unavailable = { code: 'LOCKD_UNAVAILABLE', isRetryable: true };

/** A database behind a network that the test switches off. */
async function stage() {
  const lockd = await lockDatabase();
  const proxy = await startProxy(lockd.url);
  const manager = (options: object = {}): LockManager =>
    lockd.manager({
      connectionString: proxy.url(),
      ttlMs: 2_000,
      callTimeoutMs: 500,
      connectTimeoutMs: 500,
      reconnectMaxMs: 100,
      ...options,
    });
  return {
    lockd,
    proxy,
    manager,
    async [Symbol.asyncDispose]() {
      proxy.heal();
      await proxy[Symbol.asyncDispose]();
      await lockd[Symbol.asyncDispose]();
    },
  };
}

test('a database that was never there: at once is at once, a wait waits, and is served when it comes', async () => {
  await using staged = await stage();
  const { proxy, manager } = staged;
  await proxy.refuse();
  const locks = manager();
  const began = performance.now();
  await expect(locks.tryAcquire('x')).rejects.toMatchObject(unavailable);
  await expect(locks.acquire('x', { waitMs: 0 })).rejects.toMatchObject(unavailable);
  await expect(locks.once('x', () => {})).rejects.toMatchObject(unavailable);
  expect(performance.now() - began).toBeLessThan(3 * 500 + 2_000);
  await expect(locks.acquire('x', { waitMs: 100 })).rejects.toMatchObject({
    ...unavailable,
    message: expect.stringMatching(/^"x" could not be asked for within \d+ ms/),
  });
  const waiting = locks.acquire('x');
  await proxy.accept();
  expect((await waiting).isHeld()).toBe(true);
});

test('a database that goes silent: at once is at once, too, while the lease still lasts', async () => {
  await using staged = await stage();
  const { proxy, manager } = staged;
  const locks = manager({ ttlMs: 60_000, heartbeatMs: 20_000 });
  await locks.using('x', () => {});
  proxy.blackhole();
  const began = performance.now();
  await expect(locks.tryAcquire('x')).rejects.toMatchObject(unavailable);
  expect(performance.now() - began).toBeLessThan(500 + 2_000);
  proxy.heal();
  await expect(locks.using('x', { waitMs: 20_000 }, () => 'done')).resolves.toBe('done');
});

test('a database that goes away and comes back: waits are served, what was given up is free', async () => {
  await using staged = await stage();
  const { lockd, proxy, manager } = staged;
  const [other, locks] = [lockd.manager(), manager()];
  const [mine, theirs] = [await locks.acquire('mine'), await other.acquire('theirs')];
  const abort = new AbortController();
  const waiting = [
    locks.acquire('theirs', { owner: 'stays' }),
    locks.acquire('theirs', { signal: abort.signal }),
  ] as const;
  await until(async () => (await other.inspect('theirs')).waiters.length === 2);
  await proxy.refuse();
  proxy.cut();
  await until(() => mine.signal.aborted);
  expect(mine.signal.reason).toMatchObject({ code: 'LOCKD_HOLD_LOST' });
  await mine.release();
  abort.abort();
  await expect(waiting[1]).rejects.toBe(abort.signal.reason);
  await theirs.release();
  await proxy.accept();
  const had = await waiting[0];
  expect(had.isHeld()).toBe(true);
  expect((await other.inspect('theirs')).waiters).toEqual([]);
  await had.release();
  await (await locks.acquire('mine', { waitMs: 20_000 })).release();
  expect(await other.list()).toEqual([]);
});

test('stopped while the database is away, it settles, and whoever waits is told', async () => {
  await using staged = await stage();
  const { proxy, manager } = staged;
  const locks = manager();
  const hold = await locks.acquire('x');
  proxy.blackhole();
  const waiting = locks.acquire('y').catch((error: unknown) => error);
  const releasing = hold.release();
  await locks.stop();
  expect(await waiting).toMatchObject({ code: 'LOCKD_STOPPED' });
  await releasing;
});
