import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { LockMemory, memoryLockManager } from '../../src/core/locks/memory.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { until } from '../support/wait.ts';
import { lockDatabase } from './database.ts';

/** Two managers that stand in each other's way, without a database, on a clock that the test moves. */
function stage() {
  const clock = new FakeClock();
  const memory = new LockMemory({ clock });
  const [one, two] = [memoryLockManager({ clock, memory }), memoryLockManager({ clock, memory })];
  const held = async () => (await one.list()).map(({ resource }) => resource).sort();
  return { clock, one, two, held };
}

test('all are had, in the order in which they were asked for, for one owner, and given back together', async () => {
  await using lockd = await lockDatabase();
  const locks = lockd.manager();
  const all = await locks.acquireAll(['c', 'a', 'b'], { ttlMs: 60_000 });
  expect(all.holds.map(({ resource }) => resource)).toEqual(['c', 'a', 'b']);
  expect(new Set(all.holds.map(({ owner }) => owner)).size).toBe(1);
  expect([all.isHeld(), all.signal.aborted]).toEqual([true, false]);
  await all.holds[1]?.release();
  expect(all.isHeld()).toBe(false);
  await all.release();
  await all.release();
  expect(await locks.list()).toEqual([]);
});

test('many that want the same in all orders have it one after the other, and nobody is a deadlock', async () => {
  await using lockd = await lockDatabase();
  const managers = [lockd.manager(), lockd.manager()];
  const orders = [
    ['a', 'b', 'c'],
    ['c', 'b', 'a'],
    ['b', 'c', 'a'],
    ['b', 'a', 'c'],
  ];
  let inside = 0;
  let most = 0;
  await Promise.all(
    orders.flatMap((names) =>
      managers.map(async (locks) => {
        await using _all = await locks.acquireAll(names);
        inside += 1;
        most = Math.max(most, inside);
        await locks.isLocked('a');
        inside -= 1;
      }),
    ),
  );
  expect([most, inside]).toEqual([1, 0]);
});

test('none is an answer, too', async () => {
  const { one } = stage();
  const all = await one.acquireAll([]);
  expect([all.holds, all.isHeld(), all.signal.aborted]).toEqual([[], true, false]);
  await all.release();
});

test('where one cannot be had none is, and the wait was for all together', async () => {
  const { clock, one, two, held } = stage();
  const [a, c] = [await two.acquire('a'), await two.acquire('c')];
  const begun = clock.mono();
  const all = one.acquireAll(['c', 'b', 'a'], { waitMs: 100 }).catch((error: unknown) => error);
  await clock.advance(60);
  await a.release();
  await until(async () => (await held()).join() === 'a,b,c');
  expect(await clock.until(all)).toMatchObject({ code: 'LOCKD_BUSY' });
  expect(clock.mono() - begun).toBe(100);
  expect(await held()).toEqual(['c']);
  expect((await one.inspect('c')).waiters).toEqual([]);
  await expect(one.acquireAll(['b', 'c'], { waitMs: 0 })).rejects.toMatchObject({
    code: 'LOCKD_BUSY',
  });
  expect(await held()).toEqual(['c']);
  await c.release();
});

test('given up, what was had already is given back, and no listener is left', async () => {
  const { two, one, held } = stage();
  await using _b = await two.acquire('b');
  const abort = new AbortController();
  const all = one.acquireAll(['a', 'b'], { signal: abort.signal });
  all.catch(() => {});
  await until(async () => (await one.inspect('b')).waiters.length > 0);
  expect(await held()).toEqual(['a', 'b']);
  const why = new Error('not wanted any more');
  abort.abort(why);
  await expect(all).rejects.toBe(why);
  await until(async () => (await one.inspect('b')).waiters.length === 0);
  expect(await held()).toEqual(['b']);
  expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
});

test('one that is lost while the next is waited for ends the wait', async () => {
  const { clock, two, one, held } = stage();
  await using _b = await two.acquire('b');
  const all = one.acquireAll(['a', 'b'], { ttlMs: 100 }).catch((error: unknown) => error);
  expect(await clock.until(all)).toMatchObject({ code: 'LOCKD_HOLD_EXPIRED' });
  expect(await held()).toEqual(['b']);
});

test('the signal of all aborts with the first of theirs', async () => {
  const { clock, one } = stage();
  const all = await one.acquireAll(['a', 'b']);
  const { signal } = all;
  await all.holds[1]?.extend(100);
  await clock.advance(100);
  expect(signal.reason).toMatchObject({ code: 'LOCKD_HOLD_EXPIRED' });
  expect(all.isHeld()).toBe(false);
  await all.release();
});
