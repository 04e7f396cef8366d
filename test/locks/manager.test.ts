import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { query } from '../support/database.ts';
import { lockDatabase } from './database.ts';

describe('exclusive', () => {
  test('of two processes that want the same, one has it, and its token is the greatest', async () => {
    await using lockd = await lockDatabase();
    const [one, two] = [lockd.manager(), lockd.manager()];
    const first = await one.acquire('order:1');
    expect(first).toMatchObject({ resource: 'order:1', mode: 'exclusive', slot: 0 });
    expect(await two.tryAcquire('order:1')).toBeUndefined();
    const waiting = two.acquire('order:1');
    await first.release();
    const second = await waiting;
    expect(second.token).toBeGreaterThan(first.token);
    expect([first.isHeld(), second.isHeld()]).toEqual([false, true]);
  });

  test('who has it is told to whoever waited too long', async () => {
    await using lockd = await lockDatabase();
    const [one, two] = [lockd.manager({ label: 'web-1' }), lockd.manager()];
    await one.acquire('order:1', { owner: 'agent-7', reason: 'shipping it' });
    await two.start();
    await expect(two.acquire('order:1', { waitMs: 200 })).rejects.toMatchObject({
      code: 'LOCKD_BUSY',
      isRetryable: true,
      message: expect.stringMatching(
        /^"order:1" was not free within \d+ ms: held by "agent-7" of web-1 since .* \(shipping it\)\. Wait longer/,
      ),
    });
    await expect(two.acquire('order:1', { waitMs: 0 })).rejects.toMatchObject({
      code: 'LOCKD_BUSY',
      message: expect.stringContaining('held by "agent-7"'),
    });
    expect((await one.inspect('order:1')).waiters).toEqual([]);
  });

  test('an owner that asks again is told so, in whichever process, and does not wait for itself', async () => {
    await using lockd = await lockDatabase();
    const [one, two] = [lockd.manager(), lockd.manager()];
    const hold = await one.acquire('order:1', { owner: 'agent-7' });
    for (const each of [one, two]) {
      await expect(each.acquire('order:1', { owner: 'agent-7' })).rejects.toMatchObject({
        code: 'LOCKD_ALREADY_HELD',
      });
    }
    const nested = one.using('order:2', () => one.acquire('order:2'));
    await expect(nested).rejects.toMatchObject({ code: 'LOCKD_ALREADY_HELD' });
    await hold.release();
  });
});

describe('other modes', () => {
  test('readers share, a writer waits for all of them, and readers behind it wait for it', async () => {
    await using lockd = await lockDatabase();
    const [one, two] = [lockd.manager(), lockd.manager()];
    const readers = await Promise.all([
      one.acquire('page', { mode: 'shared' }),
      two.acquire('page', { mode: 'shared' }),
    ]);
    const writing = two.acquire('page');
    await expect
      .poll(async () => (await one.inspect('page')).waiters.map(({ mode }) => mode))
      .toEqual(['exclusive']);
    const reading = one.acquire('page', { mode: 'shared' });
    await expect.poll(async () => (await one.inspect('page')).waiters).toHaveLength(2);
    await readers[0]?.release();
    expect((await one.inspect('page')).holders).toHaveLength(1);
    await readers[1]?.release();
    const writer = await writing;
    expect((await one.inspect('page')).holders).toEqual([
      expect.objectContaining({ token: writer.token, mode: 'exclusive' }),
    ]);
    await writer.release();
    expect((await reading).mode).toBe('shared');
  });

  test('there are as many places as permits, and another number is refused with both', async () => {
    await using lockd = await lockDatabase();
    const [one, two] = [lockd.manager(), lockd.manager()];
    const mode = { permits: 2 };
    const holds = [await one.acquire('gpu', { mode }), await two.acquire('gpu', { mode })];
    expect(holds.map(({ slot }) => slot)).toEqual([1, 2]);
    expect(await one.tryAcquire('gpu', { mode })).toBeUndefined();
    await expect(one.acquire('gpu', { mode: { permits: 3 } })).rejects.toMatchObject({
      code: 'LOCKD_MODE_MISMATCH',
      message: expect.stringMatching(/3 permits.*2 permits/),
    });
    await expect(one.acquire('gpu')).rejects.toMatchObject({ code: 'LOCKD_MODE_MISMATCH' });
    await Promise.all(holds.map((hold) => hold.release()));
    expect((await one.acquire('gpu', { mode: { permits: 3 } })).slot).toBe(1);
  });
});

describe('the life of a hold', () => {
  test('its time is a hard limit: its holder is told before anybody else has it', async () => {
    await using lockd = await lockDatabase();
    const [one, two] = [lockd.manager(), lockd.manager()];
    const hold = await one.acquire('order:1', { ttlMs: 150 });
    let toldFirst: boolean | undefined;
    const next = two.acquire('order:1').then((had) => {
      toldFirst = hold.signal.aborted;
      return had;
    });
    await once(hold.signal, 'abort');
    expect(hold.signal.reason).toMatchObject({ code: 'LOCKD_HOLD_EXPIRED' });
    expect((await next).token).toBeGreaterThan(hold.token);
    expect(toldFirst).toBe(true);
    await expect(hold.extend(1_000)).rejects.toMatchObject({ code: 'LOCKD_HOLD_EXPIRED' });
    await hold.release();
  });

  test('kept alive, it lasts as long as its routine', async () => {
    await using lockd = await lockDatabase();
    const locks = lockd.manager();
    const ended = await locks.using('order:1', { ttlMs: 500, keepAlive: true }, async (hold) => {
      await expect
        .poll(async () => (await locks.inspect('order:1')).holders[0]?.forMs, { timeout: 10_000 })
        .toBeGreaterThan(1_500);
      return hold.isHeld();
    });
    expect(ended).toBe(true);
    expect(await locks.isLocked('order:1')).toBe(false);
  });

  test('forced: asked first, then taken; its signal has aborted, its token is stale', async () => {
    await using lockd = await lockDatabase();
    const [one, two] = [lockd.manager(), lockd.manager()];
    const hold = await one.acquire('order:1');
    const asked = once(hold.signal, 'abort');
    const forced = two.forceRelease('order:1', { by: 'anna', reason: 'stuck', graceMs: 200 });
    await asked;
    expect(hold.signal.reason).toMatchObject({
      code: 'LOCKD_HOLD_ASKED',
      message: 'The hold of "order:1" was asked back by anna: stuck.',
    });
    expect(await two.isLocked('order:1')).toBe(true);
    expect(await forced).toMatchObject({ taken: [{ token: hold.token }], released: [] });
    expect((await two.acquire('order:1')).token).toBeGreaterThan(hold.token);
    await hold.release();
    expect(await two.isLocked('order:1')).toBe(true);
  });

  test('the lease of its process lost, it is lost: the signal says so', async () => {
    await using lockd = await lockDatabase();
    const locks = lockd.manager();
    const holds = await Promise.all([1, 2, 3].map((each) => locks.acquire(`order:${each}`)));
    const lost = Promise.all(holds.map(({ signal }) => once(signal, 'abort')));
    await query(
      lockd.url,
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
    );
    await lost;
    for (const { signal } of holds) {
      expect(signal.reason).toMatchObject({ code: 'LOCKD_HOLD_LOST' });
    }
    await Promise.all(holds.map((hold) => hold.release()));
    const again = await locks.acquire('order:1');
    expect(again.isHeld()).toBe(true);
  });
});

test('two owners that take two resources in opposite order: the younger wait is told of the circle', async () => {
  await using lockd = await lockDatabase();
  const [one, two] = [lockd.manager(), lockd.manager()];
  const take = async (locks: typeof one, owner: string, resources: readonly [string, string]) => {
    await using _first = await locks.acquire(resources[0], { owner });
    await gate();
    await using second = await locks.acquire(resources[1], { owner });
    return second.resource;
  };
  let arrived = 0;
  const both: (() => void)[] = [];
  const gate = (): Promise<void> =>
    new Promise((resolve) => {
      both.push(resolve);
      arrived += 1;
      if (arrived === 2) for (const go of both) go();
    });
  const outcomes = await Promise.allSettled([
    take(one, 'a', ['x', 'y']),
    take(two, 'b', ['y', 'x']),
  ]);
  expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  const [refused] = outcomes.filter((each) => each.status === 'rejected');
  expect(refused?.reason).toMatchObject({
    code: 'LOCKD_DEADLOCK',
    message: expect.stringMatching(/"[ab]" waits for "[xy]", kept by "[ab]", who waits for "[xy]"/),
  });
});
