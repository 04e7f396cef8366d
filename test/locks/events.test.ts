import { once } from 'node:events';
import { expect, test } from 'vitest';
import type { LockManager } from '../../src/core/locks/manager.ts';
import { query } from '../support/database.ts';
import { until } from '../support/wait.ts';
import { lockDatabase } from './database.ts';

function eventsOf(locks: LockManager): string[] {
  const events: string[] = [];
  locks.on('resource.locked', ({ resource }) => events.push(`locked ${resource}`));
  locks.on('resource.unlocked', ({ resource }) => events.push(`unlocked ${resource}`));
  locks.on('resource.contended', ({ resource, owner, holders: [first] }) =>
    events.push(`${owner} waits for ${resource} of ${first?.owner}`),
  );
  locks.on('resource.lost', ({ resource }, { code }) => events.push(`lost ${resource}: ${code}`));
  return events;
}

const terminateAll = `select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid()`;

test('each hold is locked once and ends once, and each wait is told of once', async () => {
  await using lockd = await lockDatabase();
  const [one, two] = [lockd.manager(), lockd.manager()];
  const [ones, twos] = [eventsOf(one), eventsOf(two)];
  const hold = await one.acquire('x', { owner: 'a' });
  const waiting = two.acquire('x', { owner: 'b' });
  await until(() => twos.length > 0);
  await Promise.all([hold.release(), hold.release()]);
  const next = await waiting;
  await next.extend(50);
  await once(next.signal, 'abort');
  await next.release();
  expect(ones).toEqual(['locked x', 'unlocked x']);
  expect(twos).toEqual(['b waits for x of a', 'locked x', 'lost x: LOCKD_HOLD_EXPIRED']);
});

test('asked back, and given back: it was unlocked, not lost', async () => {
  await using lockd = await lockDatabase();
  const [one, two] = [lockd.manager(), lockd.manager()];
  const events = eventsOf(one);
  const polite = one.using('x', async ({ signal }) => {
    await once(signal, 'abort');
    return 'finished';
  });
  await until(() => events.length > 0);
  const forced = await two.forceRelease('x', { by: 'anna', reason: 'stuck', graceMs: 20_000 });
  expect(forced).toMatchObject({ released: [{ resource: 'x' }], taken: [] });
  expect(await polite).toBe('finished');
  expect(events).toEqual(['locked x', 'unlocked x']);
});

test('asked back, and taken: it was lost, once, and its routine hears of it', async () => {
  await using lockd = await lockDatabase();
  const [one, two] = [lockd.manager(), lockd.manager()];
  const events = eventsOf(one);
  const stubborn = one.using('x', async (hold) => {
    await until(() => events.length > 1);
    return hold.isHeld();
  });
  await until(() => events.length > 0);
  const forced = await two.forceRelease('x', { by: 'anna', reason: 'stuck', graceMs: 100 });
  expect(forced).toMatchObject({ released: [], taken: [{ resource: 'x' }] });
  await expect(stubborn).rejects.toMatchObject({ code: 'LOCKD_HOLD_ASKED' });
  expect(events).toEqual(['locked x', 'lost x: LOCKD_HOLD_LOST']);
});

test('with the lease of its process each hold is lost once, and released later it is no news', async () => {
  await using lockd = await lockDatabase();
  const locks = lockd.manager();
  const events = eventsOf(locks);
  const holds = await Promise.all(['x', 'y'].map((each) => locks.acquire(each)));
  await query(lockd.url, terminateAll);
  await until(() => events.length === 4);
  await Promise.all(holds.map((hold) => hold.release()));
  await locks.acquire('z');
  expect(events).toEqual([
    'locked x',
    'locked y',
    'lost x: LOCKD_HOLD_LOST',
    'lost y: LOCKD_HOLD_LOST',
    'locked z',
  ]);
  expect(locks.stats().resources).toMatchObject([
    { resource: 'x', acquisitions: 1, losses: 1, releases: 0, holders: 0 },
    { resource: 'y', acquisitions: 1, losses: 1, releases: 0, holders: 0 },
    { resource: 'z', acquisitions: 1, holders: 1 },
  ]);
});

test('a wait that has to stand in line anew is told of once', async () => {
  await using lockd = await lockDatabase();
  const [one, two] = [lockd.manager(), lockd.manager()];
  const hold = await one.acquire('x', { owner: 'a' });
  const events = eventsOf(two);
  const waiting = two.acquire('x', { owner: 'b' });
  await until(async () => (await one.inspect('x')).waiters.length === 1);
  const [{ request = '' } = {}] = (await one.inspect('x')).waiters;
  // As if it had been granted and taken away again, and the news of both were left out.
  await query(lockd.url, 'delete from lockd.waiter');
  await until(async () => {
    const [wait] = (await one.inspect('x')).waiters;
    return wait !== undefined && wait.request !== request;
  });
  await hold.release();
  await (await waiting).release();
  expect(events).toEqual(['b waits for x of a', 'locked x', 'unlocked x']);
});

test('a listener that throws disturbs nobody, and is heard no more when it is taken off', async () => {
  await using lockd = await lockDatabase();
  const locks = lockd.manager();
  let heard = 0;
  const listener = (): never => {
    heard += 1;
    throw new Error('of the listener');
  };
  locks.on('resource.locked', listener).on('resource.unlocked', listener);
  await locks.using('x', () => {});
  locks.off('resource.locked', listener).off('resource.unlocked', listener);
  await locks.using('x', () => {});
  expect(heard).toBe(2);
});
