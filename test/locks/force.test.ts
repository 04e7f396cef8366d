import { expect, test } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { forceRelease } from '../../src/core/locks/force.ts';
import { LockMemory, memoryLockManager } from '../../src/core/locks/memory.ts';
import { memoryStore } from '../../src/core/locks/memory-store.ts';
import type { LockStore } from '../../src/core/locks/store.ts';

/** A manager, and an operator to whom something happens right after a look at who has the page. */
function stage() {
  const memory = new LockMemory();
  const locks = memoryLockManager({ memory, drainTimeoutMs: 10 });
  const store = memoryStore(memory.join('operator', () => {}));
  const forced = (graceMs: number, after: (look: number) => Promise<void>) => {
    let looks = 0;
    const queues: LockStore['queues'] = async (resources) => {
      const seen = await store.queues(resources);
      looks += 1;
      await after(looks);
      return seen;
    };
    const parts = { store: { ...store, queues }, clock: systemClock };
    return forceRelease(parts, 'page', { by: 'anna', reason: 'it hangs', graceMs });
  };
  return { locks, forced };
}

test('who has it since the look is not asked for it, and keeps it', async () => {
  const { locks, forced } = stage();
  const first = await locks.acquire('page', { owner: 'first' });
  const next = locks.acquire('page', { owner: 'next' });
  const answer = await forced(20, async (look) => {
    if (look === 1) await first.release();
  });
  const hold = await next;
  expect(answer).toMatchObject({ released: [{ owner: 'first' }], taken: [] });
  expect([hold.isHeld(), hold.signal.aborted]).toEqual([true, false]);
  await hold.release();
  await locks.stop();
});

test('what was given back right before it was taken was not taken', async () => {
  const { locks, forced } = stage();
  const [first, second] = [
    await locks.acquire('page', { owner: 'first', mode: 'shared' }),
    await locks.acquire('page', { owner: 'second', mode: 'shared' }),
  ];
  const answer = await forced(0, async (look) => {
    if (look === 2) await first.release();
  });
  expect(answer).toMatchObject({ released: [{ owner: 'first' }], taken: [{ owner: 'second' }] });
  expect(second.isHeld()).toBe(false);
  await second.release();
  await locks.stop();
});
