import { Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import { LockMemory, memoryLockManager } from '../../src/core/locks/memory.ts';
import type { LockOperation } from '../../src/core/locks/surface.ts';
import { observeLocks } from '../../src/metrics/index.ts';
import { FakeClock, MemoryServer, testLockManager } from '../../src/testing/index.ts';
import { until } from '../support/wait.ts';
import { scraped } from './scraped.ts';

function pair() {
  const clock = new FakeClock();
  const memory = new LockMemory({ clock });
  const registry = new Registry();
  const manager = () => memoryLockManager({ clock, memory });
  const read = () => scraped(registry);
  return { clock, registry, manager, read };
}

describe('what is counted of resource locks', () => {
  test('is every answer and every end, by mode, with how long was waited and held', async () => {
    const { clock, registry, manager, read } = pair();
    const [one, two] = [manager(), manager()];
    using _observed = observeLocks(two, { registry });
    const first = await one.acquire('x');
    const waiting = two.acquire('x', { owner: 'a' });
    await until(async () => (await one.inspect('x')).waiters.length === 1);
    await expect(two.acquire('x', { owner: 'a' })).rejects.toMatchObject({
      code: 'LOCKD_ALREADY_HELD',
    });
    expect(await two.tryAcquire('x', { mode: 'shared' })).toBeUndefined();
    await clock.advance(2_000);
    await first.release();
    const hold = await waiting;
    await two.acquire('y', { mode: { permits: 3 }, ttlMs: 500 });
    expect(await read()).toMatchObject({
      'lockd_holds_active{mode="exclusive"}': 1,
      'lockd_holds_active{mode="shared"}': 0,
      'lockd_holds_active{mode="permits"}': 1,
    });
    await clock.advance(30_000);
    await hold.release();
    expect(await read()).toMatchObject({
      'lockd_holds_active{mode="exclusive"}': 0,
      'lockd_holds_active{mode="permits"}': 0,
      'lockd_hold_acquisitions_total{mode="exclusive"}': 1,
      'lockd_hold_acquisitions_total{mode="permits"}': 1,
      'lockd_hold_contentions_total{mode="exclusive"}': 1,
      'lockd_hold_contentions_total{mode="shared"}': 0,
      'lockd_hold_timeouts_total{mode="shared"}': 1,
      'lockd_hold_failures_total{mode="exclusive"}': 1,
      'lockd_hold_releases_total{mode="exclusive"}': 1,
      'lockd_hold_losses_total{mode="permits"}': 1,
      'lockd_hold_wait_seconds_count{mode="exclusive"}': 1,
      'lockd_hold_wait_seconds_sum{mode="exclusive"}': 2,
      'lockd_hold_duration_seconds_sum{mode="exclusive"}': 30,
      'lockd_hold_duration_seconds_sum{mode="permits"}': 0.5,
    });
    await Promise.all([one.stop(), two.stop()]);
  });

  test('agrees with stats() on holds that were there before', async () => {
    const { registry, manager, read } = pair();
    const locks = manager();
    const holds = await Promise.all(
      Array.from({ length: 1_200 }, (_, at) => locks.acquire(`order:${at}`)),
    );
    using _observed = observeLocks(locks, { registry });
    expect((await read())['lockd_holds_active{mode="exclusive"}']).toBe(1_200);
    await Promise.all(holds.map((hold) => hold.release()));
    expect((await read())['lockd_holds_active{mode="exclusive"}']).toBe(0);
    await locks.stop();
  });

  test('has as many series after a thousand resources and owners as before', async () => {
    const { registry, manager, read } = pair();
    const locks = manager();
    using _observed = observeLocks(locks, { registry });
    const before = Object.keys(await read());
    for (let at = 0; at < 1_000; at += 1) {
      const mode = { permits: 1 + (at % 50) };
      await locks.using(`order:${at}`, { owner: `agent-${at}`, mode }, () => {});
    }
    expect(Object.keys(await read())).toEqual(before);
    expect(before.length).toBeLessThan(150);
    await locks.stop();
  });
});

describe('managers on one registry', () => {
  test('are counted together, and one that goes takes what it holds along', async () => {
    const { registry, manager, read } = pair();
    const [one, two] = [manager(), manager()];
    const observed = [one, two].map((locks) => observeLocks(locks, { registry }));
    const holds = [await one.acquire('x'), await two.acquire('y')];
    expect(await read()).toMatchObject({
      'lockd_holds_active{mode="exclusive"}': 2,
      'lockd_hold_acquisitions_total{mode="exclusive"}': 2,
    });
    observed[0]?.[Symbol.dispose]();
    await holds[0]?.release();
    expect(await read()).toMatchObject({
      'lockd_holds_active{mode="exclusive"}': 1,
      'lockd_hold_acquisitions_total{mode="exclusive"}': 2,
      'lockd_hold_releases_total{mode="exclusive"}': 0,
    });
    observed[1]?.[Symbol.dispose]();
    expect(registry.getMetricsAsArray()).toEqual([]);
    await holds[1]?.release();
    await Promise.all([one.stop(), two.stop()]);
  });

  test('are each observed once at a time', async () => {
    const { registry, manager } = pair();
    const [locks, others] = [manager(), manager()];
    using _others = observeLocks(others, { registry });
    const observed = observeLocks(locks, { registry });
    expect(() => observeLocks(locks, { registry })).toThrow(
      expect.objectContaining({ code: 'LOCKD_INVALID_OPTION' }),
    );
    observed[Symbol.dispose]();
    using _again = observeLocks(locks, { registry });
    await Promise.all([locks.stop(), others.stop()]);
  });
});

test('each operation is told once, with the hold that it is of', async () => {
  const clock = new FakeClock();
  const server = new MemoryServer({ clock });
  const locks = testLockManager({ server });
  const told: LockOperation[] = [];
  locks.on('resource.operation', (operation) => told.push(operation));
  const hold = await locks.acquire('x', { owner: 'a' });
  const lost = await locks.acquire('y', { owner: 'a', ttlMs: 10 });
  await clock.advance(10);
  await lost.release();
  await Promise.all([hold.release(), hold.release()]);
  const facts = told.map(({ what, resource, hold: of }) => [what, resource, of?.token]);
  expect(facts).toEqual([
    ['acquired', 'x', hold.token],
    ['acquired', 'y', lost.token],
    ['lost', 'y', lost.token],
    ['released', 'x', hold.token],
  ]);
  expect(told.map(({ what, resource }) => `${what} ${resource}`)).toEqual(
    locks.stats().operations.map(({ what, resource }) => `${what} ${resource}`),
  );
  await clock.until(locks.stop());
});
