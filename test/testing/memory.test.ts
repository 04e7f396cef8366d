import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { HoldTable } from '../../src/core/locks/memory-table.ts';
import { LockManager, LockMemory } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/index.ts';
import { heldResources } from '../support/leaks.ts';
import { deferred } from '../support/wait.ts';

test('one manager guards a process against itself', async () => {
  await using locks = LockManager.inMemory();
  expect(locks).toBeInstanceOf(LockManager);
  let inside = 0;
  await Promise.all(
    Array.from({ length: 50 }, () =>
      locks.using('order:42', async () => {
        inside += 1;
        await new Promise(setImmediate);
        expect(inside).toBe(1);
        inside -= 1;
      }),
    ),
  );
  expect(locks.stats().resources[0]?.releases).toBe(50);
});

test('it may be given to whatever takes a LockManager', async () => {
  const ship = (locks: LockManager, id: string) =>
    locks.using(`order:${id}`, () => locks.isLocked(`order:${id}`));
  const locks = LockManager.inMemory();
  expect(await ship(locks, '42')).toBe(true);
  expect(await locks.isLocked('order:42')).toBe(false);
  await locks.stop();
});

test('managers meet where they have the same memory, and only there', async () => {
  const memory = new LockMemory();
  const [one, two] = [LockManager.inMemory({ memory }), LockManager.inMemory({ memory })];
  const other = LockManager.inMemory();
  const hold = await one.acquire('order:42');
  expect(await two.tryAcquire('order:42')).toBeUndefined();
  await (await other.acquire('order:42', { waitMs: 0 })).release();
  await hold.release();
  await Promise.all([one, two, other].map((locks) => locks.stop()));
});

test('a process that has nothing else to do ends, whether its manager was stopped or not', async () => {
  const before = heldResources();
  const locks = LockManager.inMemory();
  await (await locks.acquire('order:42')).release();
  expect(heldResources()).toEqual(before);
});

test('tokens grow from one run of a program to the next', async () => {
  const began = BigInt(Date.now()) * 1_000n;
  await using locks = LockManager.inMemory();
  const { token } = await locks.acquire('order:42', { ttlMs: 60_000 }).then(async (hold) => {
    await hold.release();
    return hold;
  });
  expect(token).toBeGreaterThanOrEqual(began - 1_000_000n);
});

test('what nobody uses is forgotten', () => {
  const table = new HoldTable({
    now: () => new Date(0),
    isAlive: () => true,
    labelOf: () => undefined,
    silenceOf: () => ({ isOverdue: false, isSilent: false }),
    tell: () => {},
  });
  const asker = { process: 1, under: 1n };
  const modes = ['exclusive', 'shared', { permits: 2 }] as const;
  for (let each = 0; each < 3_000; each += 1) {
    const mode = modes[each % 3] ?? 'exclusive';
    const wanted = { resource: `${each}`, request: `${each}`, owner: 'one', mode, details: {} };
    table.ask(asker, wanted, true);
    table.ask(asker, { ...wanted, request: 'other', owner: 'other', mode: 'exclusive' }, each > 9);
  }
  expect(table.size).toBe(3_000);
  for (let each = 0; each < 3_000; each += 1) {
    table.leave(`${each}`, 'other');
    table.leave(`${each}`, `${each}`);
    table.leave(`${each}`, 'unknown');
    table.takeBack(`${each}`, ['unknown'], 'anna', 'stuck');
  }
  expect(table.size).toBe(0);
});

describe('stop', () => {
  test('waits for the routines that run, keeps what they have until then, and refuses everybody else', async () => {
    const memory = new LockMemory();
    const [one, two] = [LockManager.inMemory({ memory }), LockManager.inMemory({ memory })];
    const [begun, elsewhere] = [deferred(), deferred()];
    const running = one.using('order:42', async ({ signal }) => {
      begun.resolve();
      if (!signal.aborted) await once(signal, 'abort');
      await elsewhere.promise;
      return signal.reason;
    });
    await begun.promise;
    const waiting = one.acquire('order:42');
    const refused = expect(waiting).rejects.toMatchObject({ code: 'LOCKD_STOPPED' });
    let isStopped = false;
    const stopped = one.stop().then(() => {
      isStopped = true;
    });
    await refused;
    await expect(one.acquire('order:43')).rejects.toMatchObject({ code: 'LOCKD_STOPPED' });
    expect(await two.tryAcquire('order:42')).toBeUndefined();
    expect(isStopped).toBe(false);
    elsewhere.resolve();
    expect(await running).toMatchObject({ code: 'LOCKD_HOLD_ASKED' });
    await stopped;
    await (await two.acquire('order:42', { waitMs: 0 })).release();
    await two.stop();
  });

  test('forced, it gives up on a hold that nobody releases when the time of the drain is over', async () => {
    const clock = new FakeClock();
    const memory = new LockMemory({ clock });
    const options = { memory, clock, drainTimeoutMs: 5_000 };
    const [one, two] = [LockManager.inMemory(options), LockManager.inMemory(options)];
    const warned: string[] = [];
    one.on('warning', ({ code }) => warned.push(code));
    const hold = await one.acquire('order:42');
    const next = two.acquire('order:42');
    const stopped = one.stop();
    await clock.advance(60_000);
    expect(warned).toEqual(['LOCKD_DRAIN_OVERRUN']);
    expect(await two.isLocked('order:42')).toBe(true);
    await clock.until(one.stop({ force: true }));
    await stopped;
    expect((await next).token).toBeGreaterThan(hold.token);
    expect(hold.isHeld()).toBe(false);
    await (await next).release();
    await two.stop();
  });

  test('before anything was held it has nothing to wait for, and nothing begins afterwards', async () => {
    const locks = LockManager.inMemory();
    await locks.stop();
    await expect(locks.start()).rejects.toMatchObject({ code: 'LOCKD_STOPPED' });
    await expect(locks.isLocked('order:42')).rejects.toMatchObject({ code: 'LOCKD_STOPPED' });
  });
});

test.each([
  [{ ttlMs: 5_000 }, /^There is no option `ttlMs` here/],
  [{ memory: {} }, /^Expected `memory` to be an object with the methods `join`/],
  [{ drainTimeoutMs: -1 }, /^Expected `drainTimeoutMs`/],
])('an option that does not fit is refused: %j', (options, message) => {
  expect(() => LockManager.inMemory(options as never)).toThrow(
    expect.objectContaining({
      code: 'LOCKD_INVALID_OPTION',
      message: expect.stringMatching(message),
    }),
  );
});
