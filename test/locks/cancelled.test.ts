import { getEventListeners } from 'node:events';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { AcquireOptions } from '../../src/core/locks/options.ts';
import { query } from '../support/database.ts';
import { until } from '../support/wait.ts';
import { lockDatabase } from './database.ts';

const held = (url: string) =>
  query(url, 'select resource, owner from lockd.hold where is_held order by 1, 2');
const standing = (url: string) => query(url, 'select resource, owner from lockd.waiter');

const modes = ['exclusive', 'shared', { permits: 1 }] as const;

describe.each(modes)('given up, %j', (mode) => {
  test('at any moment between the question and the grant nothing is left', async () => {
    await using lockd = await lockDatabase();
    const [one, two] = [lockd.manager(), lockd.manager()];
    await one.start();
    const outcomes = new Set<string>();
    for (let turns = 0; turns < 40; turns += 1) {
      // In turn: on what is free, on what is held, and on what is released meanwhile.
      const holder =
        turns % 3 === 0
          ? undefined
          : await two.acquire('x', {
              mode: 'exclusive' === mode || mode === 'shared' ? 'exclusive' : mode,
            });
      const abort = new AbortController();
      const asked = one.acquire('x', { mode, signal: abort.signal, owner: 'a' });
      const outcome = asked.then(
        async (hold) => {
          await hold.release();
          return 'had';
        },
        (error: unknown) => (error === abort.signal.reason ? 'given up' : error),
      );
      for (let each = 0; each < turns; each += 1) {
        if (each === turns >> 1 && turns % 3 === 2) void holder?.release();
        await turn();
      }
      abort.abort(new Error('not wanted any more'));
      outcomes.add(String(await outcome));
      await holder?.release();
      expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
      // The same owner may ask again at once: what it has given up is no second hold of its.
      if (turns % 5 === 0) await (await one.acquire('x', { mode, owner: 'a' })).release();
    }
    expect([...outcomes].sort()).toEqual(expect.arrayContaining(['given up']));
    await until(
      async () => (await held(lockd.url)).length + (await standing(lockd.url)).length === 0,
    );
    await (await two.acquire('x', { waitMs: 5_000 })).release();
  });

  test('it is no second hold of the routine around whoever asks next', async () => {
    await using lockd = await lockDatabase();
    const locks = lockd.manager();
    await locks.using('around', { owner: 'a' }, async () => {
      for (let turns = 0; turns < 20; turns += 1) {
        const abort = new AbortController();
        const asked = locks.acquire('x', { mode, signal: abort.signal, owner: 'a' });
        const outcome = asked.catch(() => undefined);
        for (let each = 0; each < turns; each += 1) await turn();
        abort.abort();
        await (await outcome)?.release();
        expect(await locks.using('x', { mode }, ({ owner }) => owner)).toBe(`a/${turns + 1}`);
      }
    });
  });
});

test('before it is asked for, nothing is asked', async () => {
  await using lockd = await lockDatabase();
  const locks = lockd.manager();
  const why = new Error('before');
  await expect(locks.acquire('x', { signal: AbortSignal.abort(why) })).rejects.toBe(why);
  expect(
    await query(
      lockd.url,
      `select 1 from pg_stat_activity where application_name like 'lockd:%'
      and datname = current_database()`,
    ),
  ).toEqual([]);
});

test('in one tick, while the first session is still being made', async () => {
  await using lockd = await lockDatabase();
  const locks = lockd.manager();
  const abort = new AbortController();
  const asked = Array.from({ length: 300 }, (_, each) =>
    locks.acquire(`order:${each}`, { signal: abort.signal }),
  );
  const settled = Promise.allSettled(asked);
  await turn();
  abort.abort();
  expect((await settled).filter(({ status }) => status === 'fulfilled')).toEqual([]);
  await locks.using('after', () => {});
  expect(await held(lockd.url)).toEqual([]);
});

test.each(modes)('while its session is being made again, %j', async (mode) => {
  await using lockd = await lockDatabase();
  const locks = lockd.manager({ label: 'cut' });
  await locks.using('before', () => {});
  const hangUp = `select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where application_name = 'lockd:locks:cut' and datname = current_database()`;
  for (let round = 0; round < 12; round += 1) {
    await query(lockd.url, hangUp);
    const abort = new AbortController();
    const asked = locks.acquire(`order:${round}`, { mode, signal: abort.signal });
    const settled = asked.then(
      (hold) => hold.release(),
      () => {},
    );
    await sleep(round * 3); // somewhere between the first packet and the last
    abort.abort();
    await settled;
  }
  await locks.using('after', () => {});
  await until(
    async () => (await held(lockd.url)).length + (await standing(lockd.url)).length === 0,
  );
});

test.each<[string, AcquireOptions]>([
  ['quick ones', {}],
  ['readers', { mode: 'shared' }],
])(
  'a thousand %s in one tick, given up while they are asked: none is had by nobody',
  async (_, options) => {
    await using lockd = await lockDatabase();
    const locks = lockd.manager();
    await locks.using('before', () => {});
    const abort = new AbortController();
    const asked = Array.from({ length: 1_000 }, (_each, each) =>
      locks.acquire(`order:${each}`, { ...options, signal: abort.signal }),
    );
    const settled = Promise.allSettled(asked);
    const first = await Promise.race(asked);
    abort.abort();
    const had = (await settled).flatMap((each) =>
      each.status === 'fulfilled' ? [each.value] : [],
    );
    expect(had.length).toBeLessThan(1_000);
    expect(had).toContain(first);
    await until(async () => (await held(lockd.url)).length === had.length);
    await Promise.all(had.map((hold) => hold.release()));
    expect(await held(lockd.url)).toEqual([]);
    expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
    expect(
      locks.stats().resources.filter(({ holders, waiters }) => holders + waiters !== 0),
    ).toEqual([]);
  },
);

test('waits by the thousand for one resource, given up together: the line is empty, and it goes on', async () => {
  await using lockd = await lockDatabase();
  const [one, two] = [lockd.manager(), lockd.manager()];
  const hold = await two.acquire('x');
  const abort = new AbortController();
  const asked = Array.from({ length: 1_000 }, () => one.acquire('x', { signal: abort.signal }));
  const settled = Promise.allSettled(asked);
  const kept = one.acquire('x');
  await until(async () => (await standing(lockd.url)).length === 1_001, { timeoutMs: 60_000 });
  abort.abort();
  await settled;
  await hold.release();
  expect((await kept).isHeld()).toBe(true);
  await until(async () => (await standing(lockd.url)).length === 0, { timeoutMs: 60_000 });
  expect(await held(lockd.url)).toHaveLength(1);
  const sessions = await query(
    lockd.url,
    `select from pg_stat_activity where application_name like 'lockd:%' and datname = current_database()`,
  );
  expect(sessions.length).toBeLessThanOrEqual(6);
  const advisory = await query(
    lockd.url,
    `select from pg_locks l join pg_database d on d.oid = l.database
     where l.locktype = 'advisory' and d.datname = current_database()`,
  );
  expect(advisory.length).toBeLessThanOrEqual(20);
});
