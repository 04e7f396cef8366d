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

  test('what is taken away while its holder cannot be told is lost within a TTL, and nothing else is', async () => {
    const { clock, server, add } = setup();
    const [one, two] = [add(), add()];
    const [taken, kept] = [
      await clock.until(one.acquire('a')),
      await clock.until(one.acquire('b')),
    ];
    server.terminate({ instance: one.instance, kind: 'control' });
    await clock.until(two.forceRelease('a', { by: 'anna', reason: 'stuck', graceMs: 0 }));
    const lost = once(taken.signal, 'abort');
    await clock.advance(ttlMs);
    await clock.until(lost);
    expect(taken.signal.reason).toMatchObject({ code: 'LOCKD_HOLD_LOST' });
    expect([taken.isHeld(), kept.isHeld()]).toEqual([false, true]);
    await clock.until(Promise.all([taken.release(), kept.release()]));
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

test.each([0, 300, 399, 401, 700, 999])(
  'a circle that closes %i ms after its first wait is found within 2 s, and its youngest wait gives way',
  async (laterMs) => {
    const { clock, add } = setup();
    const [one, two] = [add(), add()];
    const x = await clock.until(one.acquire('x', { owner: 'a' }));
    const y = await clock.until(two.acquire('y', { owner: 'b' }));
    const other = two.acquire('x', { owner: 'c' }); // its process looks already
    await clock.advance(0);
    const older = one.acquire('y', { owner: 'a' });
    await clock.advance(laterMs);
    let refused: unknown;
    two.acquire('x', { owner: 'b' }).catch((error) => {
      refused = error;
    });
    await clock.advance(2_000);
    expect(refused).toMatchObject({
      code: 'LOCKD_DEADLOCK',
      message: expect.stringContaining('who waits for'),
    });
    await clock.until(y.release());
    await clock.until((await clock.until(older)).release());
    await clock.until(x.release());
    await clock.until((await clock.until(other)).release());
  },
);

test('a wait that lasts is reported once, with the chain that it stands in', async () => {
  const { clock, add } = setup();
  const [one, two] = [add(), add({ reportAfterMs: 5_000 })];
  const x = await clock.until(one.acquire('x', { owner: 'a' }));
  const y = await clock.until(two.acquire('y', { owner: 'b' }));
  const warnings: string[] = [];
  two.on('warning', ({ message }) => warnings.push(message));
  const inner = two.acquire('x', { owner: 'b' });
  const outer = two.acquire('y', { owner: 'c' });
  await clock.advance(4_900);
  expect(warnings).toEqual([]);
  await clock.advance(10_000);
  expect(warnings).toEqual([
    expect.stringMatching(/^Waiting for \d+ ms: "b" waits for "x", kept by "a"\.$/),
    expect.stringMatching(/: "c" waits for "y", kept by "b", who waits for "x", kept by "a"\.$/),
  ]);
  await clock.until(x.release());
  await clock.until((await clock.until(inner)).release());
  await clock.until(y.release());
  await clock.until((await clock.until(outer)).release());
});

test('what has been held for longer is listed, by whomever, and what has not is not', async () => {
  const { clock, add } = setup();
  const [one, two] = [add(), add()];
  const old = await clock.until(one.acquire('old'));
  await clock.advance(60_000);
  const young = await clock.until(two.acquire('young'));
  const listed = async (stalerThanMs: number) =>
    (await clock.until(two.list({ stalerThanMs }))).map(({ resource }) => resource);
  await clock.advance(1);
  expect([await listed(30_000), await listed(0)]).toEqual([['old'], ['old', 'young']]);
  await clock.until(Promise.all([old.release(), young.release()]));
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
