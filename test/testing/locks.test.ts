import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import type { LockManager } from '../../src/index.ts';
import {
  FakeClock,
  MemoryServer,
  type TestLockManager,
  type TestLockManagerOptions,
  testLockManager,
} from '../../src/testing/index.ts';

const ttlMs = 10_000;
const started: { readonly locks: LockManager; readonly clock: FakeClock }[] = [];

function setup() {
  const clock = new FakeClock();
  const server = new MemoryServer({ clock });
  const add = (options: Partial<TestLockManagerOptions> = {}, own?: FakeClock): TestLockManager => {
    const locks = testLockManager({ server, ttlMs, clock: own, ...options });
    started.push({ locks, clock: own ?? clock });
    return locks;
  };
  return { clock, server, add };
}

afterEach(async () => {
  for (const { locks, clock } of started.splice(0)) {
    await clock.until(locks.stop({ force: true }));
  }
});

test('the example of the documentation does what it says', async () => {
  const { clock, server } = setup();
  const [here, there] = [testLockManager({ server }), testLockManager({ server })];
  const hold = await clock.until(here.acquire('order:42'));
  const next = there.acquire('order:42');
  server.terminate(here);
  await clock.advance(0);
  expect(hold.signal.reason).toMatchObject({ code: 'LOCKD_HOLD_LOST' });
  await hold.release();
  expect((await clock.until(next)).token).toBeGreaterThan(hold.token);
  await (await next).release();
  await clock.until(Promise.all([here.stop(), there.stop()]));
});

describe('what happens to a server happens to what is held there', () => {
  test('whose seat session an administrator ends loses everything, and has another lease at once', async () => {
    const { clock, server, add } = setup();
    const locks = add();
    const holds = await clock.until(
      Promise.all([locks.acquire('a'), locks.acquire('b', { mode: 'shared' })]),
    );
    expect(server.terminate({ instance: locks.instance, kind: 'seat' })).toBe(1);
    await clock.advance(0);
    for (const hold of holds) {
      expect(hold.isHeld()).toBe(false);
      expect(hold.signal.reason).toMatchObject({ code: 'LOCKD_HOLD_LOST' });
    }
    await clock.until(Promise.all(holds.map((hold) => hold.release())));
    expect((await clock.until(locks.acquire('a'))).isHeld()).toBe(true);
  });

  test('whose other sessions end loses nothing', async () => {
    const { clock, server, add } = setup();
    const [one, two] = [add(), add()];
    const hold = await clock.until(one.acquire('a'));
    for (const kind of ['work', 'control'] as const) {
      expect(server.terminate({ instance: one.instance, kind })).toBe(1);
    }
    await clock.advance(5 * ttlMs);
    expect(hold.isHeld()).toBe(true);
    expect(await clock.until(two.tryAcquire('a'))).toBeUndefined();
    await clock.until(hold.release());
    expect(await clock.until(two.tryAcquire('a'))).toBeDefined();
  });

  test('who is cut off has stopped before whoever waits has it', async () => {
    const { clock, server, add } = setup();
    const own = new FakeClock();
    const [one, two] = [add({}, own), add()];
    const hold = await own.until(one.acquire('a'));
    const next = two.acquire('a');
    for (let passed = 0; passed < 4 * ttlMs; passed += 100) {
      if (passed === ttlMs) server.cutOff(one);
      await own.advance(100);
      await clock.advance(100);
      const isHeldTwice = hold.isHeld() && (await two.holderOf('a'))?.token !== hold.token;
      expect(isHeldTwice).toBe(false);
    }
    expect(hold.signal.reason).toMatchObject({ code: 'LOCKD_HOLD_LOST' });
    expect((await next).token).toBeGreaterThan(hold.token);
    server.mend(one);
    await own.until(hold.release());
  });

  test('a server that goes down takes every hold with it; who waits has it when it is back', async () => {
    const { clock, server, add } = setup();
    const [one, two] = [add(), add()];
    const hold = await clock.until(one.acquire('a'));
    const lost = once(hold.signal, 'abort');
    const next = two.acquire('a');
    await clock.advance(0);
    server.goDown();
    await clock.advance(0);
    await lost;
    await clock.until(hold.release());
    await expect(clock.until(one.acquire('b', { waitMs: ttlMs }))).rejects.toMatchObject({
      isRetryable: true,
    });
    server.comeUp();
    expect((await clock.until(next)).isHeld()).toBe(true);
  });

  test('after a crash nothing is granted before whoever may still hold something has stopped', async () => {
    const { clock, server, add } = setup();
    const own = new FakeClock();
    const [frozen, other] = [add({}, own), add()];
    const hold = await own.until(frozen.acquire('a'));
    await clock.until(other.start());
    server.crash();
    await clock.advance(0);
    // The clock of the first one stands still, and so it has not said that it has stopped.
    const next = other.acquire('a');
    await clock.advance(ttlMs / 2);
    await expect(clock.until(other.acquire('b', { waitMs: 0 }))).rejects.toMatchObject({
      code: 'LOCKD_UNAVAILABLE',
    });
    expect((await clock.until(next)).token).toBeGreaterThan(hold.token);
    own.stall(3 * ttlMs);
    await own.advance(0);
    expect(hold.isHeld()).toBe(false);
    await own.until(hold.release());
  });

  test('a process whose machine slept has lost what it held, and knows it at once', async () => {
    const { clock, add } = setup();
    const own = new FakeClock();
    const [one, two] = [add({}, own), add()];
    const hold = await own.until(one.acquire('a'));
    own.suspend(2 * ttlMs);
    expect(hold.isHeld()).toBe(false);
    expect((await clock.until(two.acquire('a'))).token).toBeGreaterThan(hold.token);
    await own.advance(ttlMs);
    await own.until(hold.release());
  });
});

test('time that no test lets pass does not pass: a hold of ten seconds lasts', async () => {
  const { clock, add } = setup();
  const locks = add();
  const hold = await clock.until(locks.acquire('a', { ttlMs: 10_000 }));
  await clock.advance(9_999);
  expect(hold.isHeld()).toBe(true);
  await clock.advance(1);
  expect(hold.signal.reason).toMatchObject({ code: 'LOCKD_HOLD_EXPIRED' });
});

test('the same test has the same tokens each time', async () => {
  const tokens = [0, 1].map(async () => {
    const { clock, add } = setup();
    return (await clock.until(add().acquire('a'))).token;
  });
  const [first, second] = await Promise.all(tokens);
  expect(first).toBe(second);
});

test('an unknown option is refused, with the one that was meant', () => {
  const { server } = setup();
  expect(() => testLockManager({ server, ttl: 5 } as never)).toThrow(
    expect.objectContaining({
      code: 'LOCKD_INVALID_OPTION',
      message: 'There is no option `ttl` here. Did you mean `ttlMs`?',
    }),
  );
});
