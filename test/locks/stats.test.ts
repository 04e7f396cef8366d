import { describe, expect, test } from 'vitest';
import { LockMemory, memoryLockManager } from '../../src/core/locks/memory.ts';
import { Stats } from '../../src/core/locks/stats.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { until } from '../support/wait.ts';

const acquired = (stats: Stats, resource: string, tookMs = 1): void => {
  stats.begin(resource, 'exclusive');
  stats.end('acquired', resource, 'exclusive', 'a', tookMs);
};

const released = (stats: Stats, resource: string, tookMs = 1): void =>
  stats.end('released', resource, 'exclusive', 'a', tookMs);

describe('how long it took', () => {
  test('least, mean and most are of all, percentiles of the last 128', () => {
    const stats = new Stats();
    acquired(stats, 'x', 10_000);
    released(stats, 'x');
    for (let ms = 1; ms <= 128; ms += 1) {
      acquired(stats, 'x', ms);
      released(stats, 'x');
    }
    const [{ wait } = { wait: undefined }] = stats.read().resources;
    expect(wait).toEqual({
      count: 129,
      minMs: 1,
      meanMs: (10_000 + (128 * 129) / 2) / 129,
      p50Ms: 64,
      p99Ms: 127,
      maxMs: 10_000,
    });
  });

  test('of nothing it is nothing, and JSON can hold it', () => {
    const stats = new Stats();
    stats.begin('x', 'shared');
    stats.end('timed out', 'x', 'shared', 'a', 5);
    const read = stats.read();
    expect(read.resources).toMatchObject([{ timeouts: 1, wait: { count: 0, minMs: 0, p99Ms: 0 } }]);
    expect(JSON.parse(JSON.stringify(read))).toEqual(read);
  });
});

describe('memory is bounded', () => {
  test('of what is not in use the last 1 000 are kept, and of operations the last 100', () => {
    const stats = new Stats();
    for (let each = 0; each < 1_200; each += 1) {
      acquired(stats, `r${each}`);
      released(stats, `r${each}`);
    }
    const { resources, operations } = stats.read();
    expect(resources).toHaveLength(1_000);
    expect([resources[0]?.resource, resources.at(-1)?.resource]).toEqual(['r200', 'r1199']);
    expect(operations).toHaveLength(100);
    expect(operations.at(-1)).toMatchObject({ what: 'released', resource: 'r1199', owner: 'a' });
  });

  test('what is in use is always told of, and is counted down however much came between', () => {
    const stats = new Stats();
    acquired(stats, 'first');
    for (let each = 0; each < 1_200; each += 1) {
      acquired(stats, `r${each}`);
      released(stats, `r${each}`);
    }
    const first = () => stats.read().resources.find(({ resource }) => resource === 'first');
    expect(first()).toMatchObject({ holders: 1, acquisitions: 1 });
    released(stats, 'first');
    expect(first()).toMatchObject({ holders: 0, releases: 1 });
  });
});

test('each mode of a resource is told apart, and each outcome is counted once', async () => {
  const clock = new FakeClock();
  const memory = new LockMemory({ clock });
  const [one, two] = [memoryLockManager({ clock, memory }), memoryLockManager({ clock, memory })];
  const hold = await one.acquire('x', { owner: 'a' });
  expect(await two.tryAcquire('x')).toBeUndefined();
  await expect(two.acquire('x', { owner: 'a' })).rejects.toMatchObject({
    code: 'LOCKD_ALREADY_HELD',
  });
  const overdue = two.acquire('x', { waitMs: 50 }).catch(() => {});
  const abort = new AbortController();
  const aborted = two.acquire('x', { signal: abort.signal }).catch(() => {});
  const waiting = two.acquire('x');
  await until(async () => (await one.inspect('x')).waiters.length === 3);
  expect(two.stats().resources).toMatchObject([{ waiters: 3, timeouts: 1, errors: 1 }]);
  abort.abort();
  await aborted;
  await clock.advance(50);
  await overdue;
  await hold.release();
  const next = await waiting;
  await next.extend(100);
  await clock.advance(100);
  await next.release();
  await two.using('x', { mode: 'shared' }, () => {});
  expect(one.stats().resources).toMatchObject([
    { mode: 'exclusive', acquisitions: 1, releases: 1, losses: 0, timeouts: 0, holders: 0 },
  ]);
  expect(two.stats().resources).toMatchObject([
    {
      resource: 'x',
      mode: 'exclusive',
      acquisitions: 1,
      releases: 0,
      losses: 1,
      timeouts: 3,
      errors: 1,
      holders: 0,
      waiters: 0,
      wait: { count: 1, minMs: 50, maxMs: 50 },
      hold: { count: 1, p50Ms: 100 },
    },
    { resource: 'x', mode: 'shared', acquisitions: 1, releases: 1 },
  ]);
  expect(two.stats().operations.map(({ what }) => what)).toEqual([
    'timed out',
    'failed',
    'timed out',
    'timed out',
    'acquired',
    'lost',
    'acquired',
    'released',
  ]);
  await Promise.all([one.stop(), two.stop()]);
});
