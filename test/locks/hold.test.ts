import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { LockdError } from '../../src/core/errors.ts';
import { Hold, type HoldParts } from '../../src/core/locks/hold.ts';
import { memoryLockManager } from '../../src/core/locks/memory.ts';
import type { Term } from '../../src/core/term.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { query } from '../support/database.ts';
import { deferred } from '../support/wait.ts';
import { lockDatabase } from './database.ts';

/** A hold by itself, on a clock that the test moves; what it asks for is noted. */
function stage(options: Partial<HoldParts> = {}) {
  const clock = new FakeClock();
  const told: string[] = [];
  const ended = new AbortController();
  const term = { isActive: () => !ended.signal.aborted } as Term;
  const hold = new Hold(
    { resource: 'order:1', mode: 'exclusive', owner: 'a', token: 1n, slot: 0, since: new Date(0) },
    {
      clock,
      term,
      ttlMs: undefined,
      keepAlive: false,
      giveBack: async () => told.push('gave back') > 0,
      describe: async (ms) => told.push(`wanted for ${ms}`) > 0,
      lost: (_, { code }) => told.push(`lost: ${code}`),
      over: () => told.push('over'),
      ...options,
    },
  );
  return { hold, clock, told, endLease: () => ended.abort() };
}

const lost = new LockdError('LOCKD_HOLD_LOST', 'The lease is over.');
const asked = new LockdError('LOCKD_HOLD_ASKED', 'Asked back.');

describe('released', () => {
  test('it is given back once, however often and by whomever', async () => {
    const { hold, told } = stage();
    expect([hold.isHeld(), hold.leftMs()]).toEqual([true, Number.POSITIVE_INFINITY]);
    const first = hold.release();
    expect([hold.isHeld(), hold.leftMs()]).toEqual([false, 0]);
    await Promise.all([first, hold.release(), hold[Symbol.asyncDispose]()]);
    await hold.release();
    expect(told).toEqual(['gave back', 'over']);
    expect(hold.signal.aborted).toBe(false);
  });

  test('nothing that comes later is news: not a loss, not the end of its time', async () => {
    const { hold, told, clock } = stage({ ttlMs: 100 });
    await hold.release();
    hold.lose(lost);
    hold.ask(asked);
    await clock.advance(1_000);
    expect([told, hold.signal.aborted, clock.pending]).toEqual([['gave back', 'over'], false, 0]);
    await expect(hold.extend(100)).rejects.toMatchObject({
      code: 'LOCKD_HOLD_LOST',
      message: 'The hold of "order:1" is over: it was released.',
    });
  });

  test('after a loss it changes nothing, and does not reject', async () => {
    const { hold, told } = stage();
    hold.lose(lost);
    hold.lose(new LockdError('LOCKD_HOLD_LOST', 'again'));
    await hold.release();
    expect(told).toEqual(['lost: LOCKD_HOLD_LOST', 'gave back', 'over']);
    expect(hold.signal.reason).toBe(lost);
  });
});

describe('its time', () => {
  test('is a hard limit: exact when asked, and told before it is given back', async () => {
    const { hold, told, clock } = stage({ ttlMs: 100 });
    const order: string[] = [];
    hold.signal.addEventListener('abort', () => order.push('aborted', ...told));
    clock.stall(99);
    expect([hold.isHeld(), hold.leftMs()]).toEqual([true, 1]);
    clock.stall(1);
    expect([hold.isHeld(), hold.leftMs(), hold.signal.aborted]).toEqual([false, 0, false]);
    await clock.advance(0);
    expect(hold.signal.reason).toMatchObject({ code: 'LOCKD_HOLD_EXPIRED' });
    expect(order).toEqual(['aborted']);
    expect(told).toEqual(['lost: LOCKD_HOLD_EXPIRED', 'gave back', 'over']);
  });

  test('goes on while the machine sleeps', () => {
    const { hold, clock } = stage({ ttlMs: 100 });
    clock.suspend(100);
    expect(hold.isHeld()).toBe(false);
  });

  test.each([
    ['longer', 500],
    ['shorter', 20],
  ])('can be made %s', async (_, ms) => {
    const { hold, told, clock } = stage({ ttlMs: 100 });
    clock.stall(50);
    await hold.extend(ms);
    expect(hold.leftMs()).toBe(ms);
    expect(told).toEqual([`wanted for ${50 + ms}`]);
    await clock.advance(ms - 1);
    expect(hold.isHeld()).toBe(true);
    await clock.advance(1);
    expect(hold.signal.aborted).toBe(true);
  });

  test('can be set where there was none', async () => {
    const { hold, clock } = stage();
    await hold.extend(100);
    await clock.advance(100);
    expect(hold.signal.reason).toMatchObject({ code: 'LOCKD_HOLD_EXPIRED' });
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, '100'])(
    'cannot be made %s',
    async (ms) => {
      const { hold } = stage({ ttlMs: 100 });
      await expect(hold.extend(ms as number)).rejects.toMatchObject({
        code: 'LOCKD_INVALID_OPTION',
      });
      expect(hold.leftMs()).toBe(100);
      await hold.release();
    },
  );

  test('is what it was where the server could not be told of more', async () => {
    const cut = new LockdError('LOCKD_CONNECTION', 'cut', { isRetryable: true });
    const { hold } = stage({ ttlMs: 100, describe: () => Promise.reject(cut) });
    await expect(hold.extend(500)).rejects.toBe(cut);
    expect([hold.isHeld(), hold.leftMs()]).toEqual([true, 100]);
    await hold.release();
  });

  test('cannot be made longer where it ran out while the server was told', async () => {
    const answer = deferred<boolean>();
    const { hold, clock } = stage({ ttlMs: 100, describe: () => answer.promise });
    const extended = hold.extend(500).catch((error: unknown) => error);
    clock.stall(100); // no timer has run
    answer.resolve(true);
    expect(await extended).toMatchObject({ code: 'LOCKD_HOLD_EXPIRED' });
    expect(hold.isHeld()).toBe(false);
  });

  test('asked for more, a hold that is not there any more is lost', async () => {
    const { hold, told } = stage({ ttlMs: 100, describe: async () => false });
    const told0 = once(hold.signal, 'abort');
    await expect(hold.extend(500)).rejects.toMatchObject({ code: 'LOCKD_HOLD_LOST' });
    await told0;
    expect(told).toEqual(['lost: LOCKD_HOLD_LOST']);
    await expect(hold.extend(500)).rejects.toMatchObject({ code: 'LOCKD_HOLD_LOST' });
  });
});

describe('kept alive', () => {
  test('it has no end, and asks once in half of its time', async () => {
    const { hold, told, clock } = stage({ ttlMs: 100, keepAlive: true });
    await clock.advance(1_000);
    expect(hold.isHeld()).toBe(true);
    expect(told).toHaveLength(20);
    await hold.release();
    expect(clock.pending).toBe(0);
  });

  test('it tries again at half of what is left where the server could not be told', async () => {
    const tries: number[] = [];
    const clock = new FakeClock();
    const begun = clock.mono();
    const { hold } = stage({
      clock,
      ttlMs: 160,
      keepAlive: true,
      describe: async () => {
        tries.push(clock.mono() - begun);
        if (tries.length < 3) throw new LockdError('LOCKD_CONNECTION', 'cut');
        return true;
      },
    });
    await clock.advance(200);
    expect([hold.isHeld(), tries]).toEqual([true, [80, 120, 140]]);
    await hold.release();
  });

  test('it ends with its time where nothing helps', async () => {
    const cut = new LockdError('LOCKD_CONNECTION', 'cut');
    const { hold, clock } = stage({
      ttlMs: 160,
      keepAlive: true,
      describe: () => Promise.reject(cut),
    });
    await clock.advance(159);
    expect(hold.isHeld()).toBe(true);
    await clock.advance(1);
    expect(hold.signal.reason).toMatchObject({ code: 'LOCKD_HOLD_EXPIRED' });
    expect(clock.pending).toBe(0);
  });

  test('it is kept alive while its holder finishes what it was asked to finish', async () => {
    const { hold, told, clock } = stage({ ttlMs: 100, keepAlive: true });
    hold.ask(asked);
    await clock.advance(1_000);
    expect(told.filter((each) => each.startsWith('lost'))).toEqual([]);
    expect(await hold.conclude()).toBeUndefined();
  });
});

describe('what a routine that has returned is told', () => {
  test('nothing, where it was held to the end', async () => {
    expect(await stage().hold.conclude()).toBeUndefined();
    const { hold } = stage();
    await hold.release(); // by the routine itself
    expect(await hold.conclude()).toBeUndefined();
  });

  test('the loss', async () => {
    const { hold } = stage();
    hold.lose(lost);
    expect(await hold.conclude()).toBe(lost);
  });

  test('that its time was up, though no timer could say so', async () => {
    const { hold, clock, told } = stage({ ttlMs: 100 });
    clock.stall(100);
    expect(await hold.conclude()).toMatchObject({ code: 'LOCKD_HOLD_EXPIRED' });
    expect(told).toEqual(['lost: LOCKD_HOLD_EXPIRED', 'gave back', 'over']);
  });

  test('nothing, where it was asked back and is still there', async () => {
    const { hold } = stage();
    hold.ask(asked);
    expect(hold.isHeld()).toBe(false);
    expect(await hold.conclude()).toBeUndefined();
  });

  test('that it was asked back, where it is not there any more', async () => {
    const { hold } = stage({ giveBack: async () => false });
    hold.ask(asked);
    expect(await hold.conclude()).toBe(asked);
  });

  test('that the lease has ended, where nobody has said so yet', async () => {
    const { hold, endLease } = stage({ giveBack: async () => false });
    endLease();
    expect(await hold.conclude()).toMatchObject({ code: 'LOCKD_HOLD_LOST' });
  });
});

test('a routine has its own error first, and then the loss', async () => {
  const clock = new FakeClock();
  const locks = memoryLockManager({ clock });
  const late = async (hold: Hold): Promise<string> => {
    await clock.advance(200);
    expect(hold.signal.aborted).toBe(true);
    return 'done';
  };
  const options = { ttlMs: 100 };
  await expect(locks.using('order:1', options, late)).rejects.toMatchObject({
    code: 'LOCKD_HOLD_EXPIRED',
  });
  const own = new Error('out of stock');
  await expect(
    locks.using('order:1', options, async (hold) => {
      await late(hold);
      throw own;
    }),
  ).rejects.toBe(own);
  await expect(
    locks.using('order:1', () => {
      throw own;
    }),
  ).rejects.toBe(own);
  expect(await locks.using('order:1', () => 'at once')).toBe('at once');
  expect(await locks.isLocked('order:1')).toBe(false);
  await locks.stop();
});

test('what the database has freed behind its back a hold is told of when it asks for more', async () => {
  await using lockd = await lockDatabase();
  const locks = lockd.manager();
  const hold = await locks.acquire('order:1', { ttlMs: 60_000 });
  await hold.extend(120_000);
  expect((await locks.holderOf('order:1'))?.details.ttlMs).toBeGreaterThanOrEqual(120_000);
  await query(lockd.url, 'update lockd.hold set is_held = false');
  await expect(hold.extend(60_000)).rejects.toMatchObject({ code: 'LOCKD_HOLD_LOST' });
  expect(hold.signal.reason).toMatchObject({ code: 'LOCKD_HOLD_LOST' });
  await hold.release();
  await hold.release();
  expect(locks.stats().resources).toMatchObject([
    { acquisitions: 1, releases: 0, losses: 1, holders: 0 },
  ]);
});

test('what is taken away from those who do not hear of it is lost within a TTL, and nothing else is', async () => {
  await using lockd = await lockDatabase();
  const [one, two] = [lockd.manager({ ttlMs: 1_000 }), lockd.manager()];
  const taken = await one.acquire('order:1');
  const kept = await one.acquire('order:2');
  const shared = await one.acquire('order:3', { mode: 'shared' });
  const lost = once(taken.signal, 'abort');
  // As if the news of it were left out.
  await query(lockd.url, "update lockd.hold set is_held = false where resource = 'order:1'");
  const next = await two.acquire('order:1');
  await lost;
  expect(taken.signal.reason).toMatchObject({ code: 'LOCKD_HOLD_LOST' });
  expect([kept.isHeld(), shared.isHeld()]).toEqual([true, true]);
  await taken.release();
  expect((await two.holderOf('order:1'))?.token).toBe(next.token);
});

test('a loss without a routine to tell: a second release neither rejects nor takes from the next holder', async () => {
  await using lockd = await lockDatabase();
  const [one, two] = [lockd.manager(), lockd.manager()];
  const hold = await one.acquire('order:1');
  await two.forceRelease('order:1', { by: 'anna', reason: 'stuck', graceMs: 0 });
  const next = await two.acquire('order:1');
  await Promise.all([hold.release(), hold.release()]);
  expect(next.isHeld()).toBe(true);
  expect((await one.holderOf('order:1'))?.token).toBe(next.token);
});
