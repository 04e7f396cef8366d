import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { LockManager } from '../../src/index.ts';
import { query } from '../support/database.ts';
import { expectNoSessions } from '../support/leaks.ts';
import { deferred, until } from '../support/wait.ts';
import { lockDatabase } from './database.ts';

const stopped = { code: 'LOCKD_STOPPED', message: 'The lock manager was stopped.' };

const rows = (url: string) =>
  query(
    url,
    `select (select count(*)::int from lockd.hold where is_held) as holds,
            (select count(*)::int from lockd.waiter) as waiters`,
  );

test('nothing can be asked of a manager that was stopped, and stopping it again changes nothing', async () => {
  await using lockd = await lockDatabase();
  const locks = lockd.manager();
  await locks.using('x', () => {});
  await Promise.all([locks.stop(), locks.stop(), locks[Symbol.asyncDispose]()]);
  const calls = [
    () => locks.start(),
    () => locks.acquire('x'),
    () => locks.tryAcquire('x'),
    () => locks.using('x', () => {}),
    () => locks.once('x', () => {}),
    () => locks.acquireAll(['x', 'y']),
    () => locks.inspect('x'),
    () => locks.list(),
    () => locks.forceRelease('x', { by: 'anna', reason: 'stuck' }),
  ];
  for (const call of calls) await expect(call(), String(call)).rejects.toMatchObject(stopped);
  await locks.stop();
  await expectNoSessions(lockd.url);
});

test('a manager that was never used stops at once, without a connection', async () => {
  const locks = new LockManager({ connectionString: 'postgres://nowhere.invalid' });
  await locks.stop();
  await expect(locks.acquire('x')).rejects.toMatchObject(stopped);
});

describe('while it drains', () => {
  test('routines have their signal, finish, and answer; new ones are refused; then it settles', async () => {
    await using lockd = await lockDatabase();
    const [one, two] = [lockd.manager({ drainTimeoutMs: 20_000 }), lockd.manager()];
    const events: string[] = [];
    one.on('resource.lost', () => events.push('lost'));
    one.on('resource.unlocked', () => events.push('unlocked'));
    const [begun, go] = [deferred(), deferred()];
    const running = one.using('x', async (hold) => {
      begun.resolve();
      await once(hold.signal, 'abort');
      events.push(hold.signal.reason.code);
      await go.promise;
      return 'finished';
    });
    await begun.promise;
    const stopping = one.stop().then(() => events.push('stopped'));
    await expect(one.acquire('y')).rejects.toMatchObject(stopped);
    await until(() => events.length > 0);
    expect(await two.tryAcquire('x')).toBeUndefined();
    go.resolve();
    expect(await running).toBe('finished');
    await stopping;
    expect(events).toEqual(['LOCKD_HOLD_ASKED', 'unlocked', 'stopped']);
    expect(await two.tryAcquire('x')).toBeDefined();
  });

  test('what is released is free at once, though others are not done', async () => {
    await using lockd = await lockDatabase();
    const [one, two] = [lockd.manager({ drainTimeoutMs: 20_000 }), lockd.manager()];
    const [quick, slow] = [await one.acquire('quick'), await one.acquire('slow')];
    const waiting = two.acquire('quick');
    await until(async () => (await two.inspect('quick')).waiters.length === 1);
    const stopping = one.stop();
    await quick.release();
    expect((await waiting).isHeld()).toBe(true);
    expect(await two.tryAcquire('slow')).toBeUndefined();
    await slow.release();
    await stopping;
    expect(await two.tryAcquire('slow')).toBeDefined();
  });

  test('who stands in line is told, whether its own manager drains for long or not, and leaves the line', async () => {
    await using lockd = await lockDatabase();
    const [one, two] = [lockd.manager(), lockd.manager({ drainTimeoutMs: 20_000 })];
    const kept = await two.acquire('kept');
    await using _x = await one.acquire('x');
    const waits = Promise.allSettled([
      two.acquire('x'),
      two.acquire('x', { waitMs: 60_000 }),
      two.acquire('x', { mode: 'shared' }),
    ]);
    await until(async () => (await one.inspect('x')).waiters.length === 3);
    const stopping = two.stop();
    for (const each of await waits) expect(each).toMatchObject({ reason: stopped });
    await until(async () => (await one.inspect('x')).waiters.length === 0);
    await kept.release();
    await stopping;
    expect(two.stats().resources.map(({ waiters, holders }) => [waiters, holders])).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
    await expect(two.acquire('x')).rejects.toMatchObject(stopped);
  });

  test('a routine that stops its own manager is not waited for by itself', async () => {
    await using lockd = await lockDatabase();
    const locks = lockd.manager({ drainTimeoutMs: 20_000 });
    const answer = await locks.using('x', async ({ signal }) => {
      await locks.stop();
      return signal.reason.code;
    });
    expect(answer).toBe('LOCKD_HOLD_ASKED');
    await locks.stop();
    await expectNoSessions(lockd.url);
  });
});

test('stopped in the midst of a thousand acquires each is had or told, and nothing is left', async () => {
  await using lockd = await lockDatabase();
  const locks = lockd.manager({ drainTimeoutMs: 20_000 });
  await locks.start();
  const asked = Array.from({ length: 1_000 }, (_, each) => locks.acquire(`order:${each % 700}`));
  await Promise.race(asked);
  for (const each of asked) each.then((hold) => hold.release()).catch(() => {});
  const stopping = locks.stop();
  for (const each of await Promise.allSettled(asked)) {
    if (each.status === 'rejected') expect(each.reason).toMatchObject(stopped);
  }
  await stopping;
  expect(await rows(lockd.url)).toEqual([{ holds: 0, waiters: 0 }]);
  await expectNoSessions(lockd.url);
});

test('forced, it gives up on what nobody releases, and says that it is lost', async () => {
  await using lockd = await lockDatabase();
  const locks = lockd.manager({ drainTimeoutMs: 100 });
  const hold = await locks.acquire('x', { owner: 'forgotten' });
  const lost = new Promise((resolve) => {
    locks.on('resource.lost', (which, error) => resolve([which.owner, error.code]));
  });
  await locks.stop({ force: true });
  expect(await lost).toEqual(['forgotten', 'LOCKD_HOLD_LOST']);
  expect(hold.signal.reason).toMatchObject({ code: 'LOCKD_HOLD_ASKED' });
  await hold.release();
  await expectNoSessions(lockd.url);
});
