import { describe, expect, test, vi } from 'vitest';
import { deferred } from '../../src/core/deferred.ts';
import { silentLogger } from '../../src/core/log.ts';
import { settle } from '../../src/testing/fake-clock.ts';
import { isHeld, listen, setup, ttlMs } from './controllers.ts';

type Controller = ReturnType<ReturnType<typeof setup>['add']>;

/** One leads, two waits. */
async function pair(options: Parameters<ReturnType<typeof setup>['add']>[0] = {}) {
  const world = setup();
  const [one, two] = [world.add(options), world.add(options)];
  await one.start();
  void two.start();
  await world.clock.advance(1_000);
  const told = await listen(world.server);
  return { ...world, one, two, told, token: one.term?.token as bigint };
}

describe('a leader that leaves on purpose', () => {
  test('lets work in flight finish, then releases, and the next one starts at once', async () => {
    const { clock, told, one, two, token } = await pair();
    const work = deferred();
    void one.track(work.promise);
    const stopped = one.stop();
    expect(one.isActive()).toBe(false);
    await clock.advance(5_000);
    expect(told).toEqual([]);
    expect(two.isActive()).toBe(false);
    work.resolve();
    await stopped;
    await settle();
    expect(two.isActive()).toBe(true);
    expect(told).toEqual([`released ${token}`, `taken ${two.term?.token}`]);
    expect(two.term?.token).toBeGreaterThan(token);
  });

  test('by resigning, campaigns again and stands behind whoever waited', async () => {
    const { clock, one, two } = await pair();
    await one.resign();
    await clock.advance(1_000);
    expect([one.state, two.state]).toEqual(['passive', 'active']);
    await two.resign();
    await clock.advance(1_000);
    expect([one.state, two.state]).toEqual(['active', 'passive']);
  });

  test('settles resign when the seat is let go, and at once when there is no term', async () => {
    const { one, two } = await pair();
    await two.resign();
    const work = deferred();
    void one.track(work.promise);
    const resigned = vi.fn();
    const done = one.resign().then(resigned);
    await settle();
    expect(resigned).not.toHaveBeenCalled();
    work.resolve();
    await done;
  });

  test('stops once, however often it is told to', async () => {
    const { one } = await pair();
    expect(one.stop()).toBe(one.stop());
    await one.stop();
    await one.stop();
    await one[Symbol.asyncDispose]();
  });

  test('after a start that waits for an earlier one has the last word', async () => {
    const { clock, one } = await pair();
    const work = deferred();
    void one.track(work.promise);
    const stopped = one.stop();
    const restarted = expect(one.start()).rejects.toMatchObject({ code: 'LOCKD_STOPPED' });
    expect(one.stop()).toBe(stopped);
    work.resolve();
    await stopped;
    await restarted;
    await clock.advance(20 * ttlMs);
    expect(one.state).toBe('stopped');
  });

  test('and a start after that starts', async () => {
    const { clock, one, two } = await pair();
    const stops = [one.stop(), one.start().catch(() => {}), one.stop()];
    const started = one.start();
    await clock.advance(1_000);
    await Promise.all(stops);
    await two.stop();
    await clock.advance(1_000);
    await started;
    await clock.advance(1_000);
    expect(one.isActive()).toBe(true);
  });

  test('keeps the seat through a drain without end, however long others wait', async () => {
    const { clock, one, two } = await pair();
    void one.track(new Promise(() => {}));
    void one.stop();
    await clock.advance(20 * ttlMs);
    expect(two.isActive()).toBe(false);
    expect(one.state).toBe('draining');
  });

  test('by force, gives the seat up after the drain timeout, and the next one waits a lease', async () => {
    const { clock, told, one, two } = await pair({ drainTimeoutMs: 3_000 });
    void one.track(new Promise(() => {}));
    const stopped = one.stop({ force: true });
    await clock.advance(3_000);
    await stopped;
    expect(one.state).toBe('stopped'); // though the work goes on
    expect(told).toEqual([]);
    await clock.advance(ttlMs - 2_500);
    expect(two.isActive()).toBe(false);
    await clock.advance(2_500);
    expect(two.isActive()).toBe(true);
  });
});

describe('a leader that loses its term', () => {
  test('by a restart of the server confesses, and so costs a drain instead of a lease', async () => {
    const { clock, server, one, two, token } = await pair();
    const work = deferred();
    void one.track(work.promise);
    server.restart();
    await settle();
    expect(one.isActive()).toBe(false);
    const told = await listen(server);
    await clock.advance(2_000);
    expect(told).toEqual([]);
    work.resolve();
    await clock.advance(300);
    expect(told[0]).toBe(`ended ${token}`);
    await clock.advance(1_000);
    expect([one, two].filter((controller) => controller.isActive())).toHaveLength(1);
  });

  test('is out of the race until its work has finished', async () => {
    const { clock, server, add } = setup();
    const one = add();
    await one.start();
    const work = deferred();
    void one.track(work.promise);
    server.restart();
    await clock.advance(10 * ttlMs);
    expect(server.terminate({ kind: 'seat' })).toBe(0);
    work.resolve();
    await clock.advance(1_000);
    expect(one.isActive()).toBe(true);
  });

  test('in silence is followed after its lease, never before its own deadline', async () => {
    const { clock, server, one, two } = await pair();
    server.cutOff(one);
    let gap = false;
    for (let waited = 0; waited < 2 * ttlMs; waited += 50) {
      await clock.advance(50);
      expect(one.isActive() && two.isActive()).toBe(false);
      if (!one.isActive()) server.mend(one);
      gap ||= !one.isActive() && !two.isActive();
    }
    expect(gap).toBe(true);
    expect(one.isActive() || two.isActive()).toBe(true);
  });
});

test('after a forced stop a new run is stopped only when its own work has finished', async () => {
  const { clock, server, add } = setup();
  const begun = deferred();
  const begins = [Promise.resolve(), begun.promise];
  const start = async (): Promise<void> => begins.shift();
  const witness = { start, stop: async () => {}, vouch: () => {}, reconnect: () => {} };
  const one = add({ drainTimeoutMs: 100 }, { witness });
  await one.start();
  const stuck = deferred();
  void one.track(stuck.promise);
  const forced = one.stop({ force: true });
  await clock.advance(100);
  await forced;
  const again = one.start();
  stuck.resolve(); // the work of the first run finishes while the second one begins
  await settle();
  begun.resolve();
  await clock.advance(ttlMs);
  await again;
  expect(one.isActive()).toBe(true);
  const work = deferred();
  void one.track(work.promise);
  const stopped = vi.fn();
  void one.stop().then(stopped);
  await settle();
  expect(stopped).not.toHaveBeenCalled();
  expect(await isHeld(clock, server)).toBe(true);
  work.resolve();
  await clock.advance(0);
  expect(stopped).toHaveBeenCalled();
});

test('the log tells a seat that was let go from one that was lost', async () => {
  const { clock, server, add } = setup();
  const ends: string[] = [];
  const info = (_: object, message: string): void => {
    if (/seat go|lost term/.test(message)) ends.push(message);
  };
  const one = add({ logger: { ...silentLogger, info } });
  await one.start();
  server.restart();
  await clock.advance(ttlMs);
  expect([one.isActive(), ...ends]).toEqual([true, 'closed the lost term']);
  await one.resign();
  expect(ends).toEqual(['closed the lost term', 'let the seat go']);
});

describe('gated', () => {
  test('runs while the gate is open, and says so when it did not run', async () => {
    const { one, two } = await pair();
    const double = (n: number) => 2 * n;
    expect(await one.gated(double)(21)).toEqual({ ran: true, value: 42 });
    expect(await two.gated(double)(21)).toEqual({ ran: false });
  });

  test('counts as work in flight until it settles, and passes its rejection on', async () => {
    const { one, told } = await pair();
    const work = deferred();
    const failed = expect(one.gated(() => work.promise)()).rejects.toThrow('boom');
    const stopped = one.stop();
    await settle();
    expect(told).toEqual([]);
    work.reject(new Error('boom'));
    await failed;
    await stopped;
    await settle();
    expect(told[0]).toMatch(/^released/);
  });
});

test('a passive notice is for a standby: once per key and interval, never while ACTIVE', async () => {
  const { clock, one, two } = await pair({ noticeIntervalMs: 1_000 });
  expect(one.passiveNotice('chat')).toBe(false);
  expect([two.passiveNotice('chat'), two.passiveNotice('chat')]).toEqual([true, false]);
  expect(two.passiveNotice('other chat')).toBe(true);
  await clock.advance(1_000);
  expect(two.passiveNotice('chat')).toBe(true);
});

describe('work that calls what would wait for it', () => {
  const ways = {
    whileActive: (one: Controller, work: () => Promise<void>) =>
      one.whileActive(work, { signal: new AbortController().signal }),
    gated: (one: Controller, work: () => Promise<void>) =>
      one
        .gated(work)()
        .then(() => {}),
  };

  test.each([
    ['stop', 'whileActive'],
    ['stop', 'gated'],
    ['resign', 'whileActive'],
    ['resign', 'gated'],
  ] as const)('%s() in %s settles with the gate closed, and the seat kept', async (leave, way) => {
    const { clock, told, one, two } = await pair();
    const term = one.term;
    const rest = deferred();
    const seen: unknown[] = [];
    const worked = ways[way](one, async () => {
      await one[leave]();
      seen.push(one.isActive(), term?.signal.aborted);
      await rest.promise;
    });
    await settle();
    expect(seen).toEqual([false, true]);
    const elsewhere = vi.fn();
    const left = one[leave]().then(elsewhere);
    await clock.advance(1_000);
    expect(elsewhere).not.toHaveBeenCalled();
    expect([told, two.isActive()]).toEqual([[], false]);
    rest.resolve();
    await left;
    await clock.advance(1_000);
    expect(two.isActive()).toBe(true);
    await one.stop();
    await worked;
    await two.stop();
  });

  test('of another controller waits for that one, as anybody', async () => {
    const { one } = await pair();
    const other = setup().add();
    await other.start();
    const body = deferred();
    void other.track(body.promise);
    const stopped = vi.fn();
    const worked = one.gated(() => other.stop().then(stopped))();
    await settle();
    expect(stopped).not.toHaveBeenCalled();
    body.resolve();
    await worked;
    expect(other.state).toBe('stopped');
  });
});

test('what is tracked and is no promise holds nothing up', async () => {
  const { one } = await pair();
  expect(one.track(5 as never)).toBe(5);
  expect(one.track(undefined as never)).toBe(undefined);
  await one.stop();
  expect(one.state).toBe('stopped');
});
