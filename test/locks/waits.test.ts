import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { LockMemory } from '../../src/core/locks/memory.ts';
import { memoryStore } from '../../src/core/locks/memory-store.ts';
import type { LockStore, Queues, Wanted } from '../../src/core/locks/store.ts';
import { moved, Waits } from '../../src/core/locks/waits.ts';
import { silentLogger } from '../../src/core/log.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { deferred } from '../support/wait.ts';

/** Waits at a memory, whose looks are counted, and answered when the test says so. */
function stage() {
  const clock = new FakeClock();
  const member = new LockMemory({ clock }).join('test', () => {});
  const { token: under } = member.begin();
  const store = memoryStore(member);
  let looks = 0;
  let gate: Promise<void> | undefined;
  const queues: LockStore['queues'] = async (resources): Promise<Queues> => {
    looks += 1;
    await gate;
    return store.queues(resources);
  };
  const waits = new Waits({
    store: { ...store, queues },
    clock,
    logger: silentLogger,
    reportAfterMs: 10_000,
    report: () => {},
  });
  const stand = async (resource: string, owner: string) => {
    const wanted: Wanted = {
      request: `${owner}@${resource}`,
      resource,
      owner,
      mode: 'exclusive',
      details: {},
    };
    const wait = waits.begin(wanted);
    const answer = await store.ask(under, wanted, true);
    if (answer.is === 'queued') waits.queued(wait, answer.holders);
    return wait;
  };
  return {
    clock,
    store,
    waits,
    stand,
    looks: () => looks,
    hold: (until: Promise<void>) => {
      gate = until;
    },
  };
}

test('there is one watcher, however many waits come and go while it looks', async () => {
  const { clock, waits, stand, looks, hold } = stage();
  await stand('x', 'holder');
  const seen = deferred();
  hold(seen.promise);
  const first = await stand('x', 'first');
  await clock.advance(400);
  expect(looks()).toBe(1); // under way
  waits.end(first);
  await stand('x', 'second');
  await stand('x', 'third');
  expect(clock.pending).toBe(0);
  seen.resolve();
  await turn();
  expect(clock.pending).toBe(1);
  await clock.advance(10_000);
  expect(looks()).toBe(11);
  waits.close();
  expect(clock.pending).toBe(0);
});

test('nothing is looked at, and no timer is set, when nobody waits any more', async () => {
  const { clock, waits, stand, looks } = stage();
  const holder = await stand('x', 'holder');
  const [one, two] = [await stand('x', 'one'), await stand('x', 'two')];
  waits.end(holder);
  waits.end(one);
  expect(clock.pending).toBe(1);
  waits.end(two);
  expect(clock.pending).toBe(0);
  await clock.advance(5_000);
  expect(looks()).toBe(0);
});

test('closed, it looks after nothing that comes later', async () => {
  const { clock, waits, stand } = stage();
  await stand('x', 'holder');
  const { grant } = await stand('x', 'one');
  waits.close();
  await expect(grant.promise).rejects.toBe(moved);
  waits.refused('x');
  waits.doubt();
  await stand('x', 'two');
  expect(clock.pending).toBe(0);
});

test('a grant whose news was left out is found, and one that was taken back is asked for anew', async () => {
  const { clock, store, stand, waits } = stage();
  const holder = await stand('x', 'holder');
  waits.end(holder);
  const [granted, gone] = [await stand('x', 'granted'), await stand('x', 'gone')];
  await store.leave('x', 'gone@x');
  await store.leave('x', 'holder@x');
  await clock.advance(400);
  expect((await granted.grant.promise).token).toBeGreaterThan(0n);
  await expect(gone.grant.promise).rejects.toBe(moved);
  waits.close();
});

test('a wait whose question is not answered yet is no news: it is neither held nor in line', async () => {
  const { clock, waits } = stage();
  const wanted: Wanted = {
    request: 'r',
    resource: 'x',
    owner: 'a',
    mode: 'exclusive',
    details: {},
  };
  const { grant } = waits.begin(wanted);
  let outcome: unknown = 'waits';
  grant.promise.catch((reason: unknown) => {
    outcome = reason;
  });
  await clock.advance(5_000);
  expect(outcome).toBe('waits');
  waits.close();
});
