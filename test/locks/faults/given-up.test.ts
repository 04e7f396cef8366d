import { expect, test } from 'vitest';
import { query } from '../../support/database.ts';
import { expectNoSessions } from '../../support/leaks.ts';
import { until } from '../../support/wait.ts';
import { lockDatabase } from '../database.ts';

const left = async (url: string) => {
  const [row] = await query<{ waits: number; holds: number; sessions: number; locks: number }>(
    url,
    `select (select count(*)::integer from lockd.waiter) as waits,
            (select count(*)::integer from lockd.hold where is_held) as holds,
            (select count(*)::integer from pg_stat_activity
             where datname = current_database() and application_name like 'lockd:%') as sessions,
            (select count(*)::integer from pg_locks
             where locktype = 'advisory'
               and database = (select oid from pg_database where datname = current_database())) as locks`,
  );
  return row as { waits: number; holds: number; sessions: number; locks: number };
};

test('thousands of waits that are given up leave no row, no hold, no lock, no session and no listener', async () => {
  await using lockd = await lockDatabase();
  const [one, two] = [lockd.manager(), lockd.manager()];
  await two.start();
  const hold = await one.acquire('order:1');
  const giveUp = new AbortController();
  const reason = new Error('not wanted any more');
  const waits = Promise.allSettled(
    Array.from({ length: 2_000 }, (_, index) => {
      const mode = index % 3 === 0 ? 'shared' : 'exclusive';
      return index % 2 === 0
        ? two.acquire('order:1', { mode, waitMs: 1 + (index % 50) })
        : two.acquire('order:1', { mode, signal: giveUp.signal });
    }),
  );
  // Some stand in line by now, some are on their way to it.
  await until(async () => (await left(lockd.url)).waits > 100);
  giveUp.abort(reason);
  for (const [index, outcome] of (await waits).entries()) {
    if (outcome.status === 'fulfilled') throw new Error('It was held.');
    if (index % 2 === 0) expect(outcome.reason.code).toMatch(/^LOCKD_(BUSY|UNAVAILABLE)$/);
    else expect(outcome.reason).toBe(reason);
  }
  await until(async () => (await left(lockd.url)).waits === 0, { timeoutMs: 20_000 });
  await hold.release();
  // Those that were given up in the moment of their grant are given back.
  const racing = Array.from({ length: 200 }, (_, index) =>
    two.acquire(`order:${index % 7}`, { signal: AbortSignal.timeout(index % 40) }).then(
      (had) => had.release(),
      () => {},
    ),
  );
  await Promise.all(racing);
  await until(async () => {
    const { waits: lines, holds } = await left(lockd.url);
    return lines === 0 && holds === 0;
  });
  expect(await left(lockd.url)).toMatchObject({ sessions: 6, locks: 6 });
  const stats = two.stats().resources.filter(({ waiters, holders }) => waiters + holders > 0);
  expect(stats).toEqual([]);
  await Promise.all([one.stop(), two.stop()]);
  await expectNoSessions(lockd.url);
}, 60_000);

test('ten thousand holds take three sessions and three advisory locks, and are free in one go', async () => {
  await using lockd = await lockDatabase();
  const locks = lockd.manager({ ttlMs: 20_000 });
  const names = Array.from({ length: 10_000 }, (_, index) => `order:${index}`);
  const holds = await Promise.all(names.map((name) => locks.acquire(name)));
  expect(await left(lockd.url)).toEqual({ waits: 0, holds: 10_000, sessions: 3, locks: 3 });
  const other = lockd.manager();
  const next = other.acquire('order:9999');
  await until(async () => (await left(lockd.url)).waits === 1);
  // The end of the lease frees them all, in the transaction that ends it.
  await query(
    lockd.url,
    `select lockd.testify(lock_id, token, 'testimony', 'died') from lockd.lease
     where lock_id = (select process from lockd.hold limit 1)`,
  );
  expect((await next).resource).toBe('order:9999');
  expect((await left(lockd.url)).holds).toBe(1);
  await until(() => holds.every(({ signal }) => signal.aborted));
}, 60_000);
