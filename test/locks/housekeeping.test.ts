import { expect, test } from 'vitest';
import { lockd as cli } from '../support/cli.ts';
import { query } from '../support/database.ts';
import { lockDatabase } from './database.ts';

/** What processes of long ago have left behind: their own rows, and those of what they have held. */
async function leaveBehind(url: string): Promise<void> {
  await query(
    url,
    `select lockd.enroll('lockd:process:' || gen_random_uuid()) from generate_series(1, 5)`,
  );
  await query(
    url,
    `update lockd.lease set token = 1, beat_at = now() - interval '3 h', ended_at = now() - interval '3 h'
     where token = 0`,
  );
  await query(
    url,
    `insert into lockd.hold (resource, slot, since, is_held, process, process_token)
     select 'idle:' || n, 0, now() - interval '3 h', false, 1, 1 from generate_series(1, 5) n`,
  );
}

const leftBehind = async (url: string) =>
  (
    await query(
      url,
      `select (select count(*)::int from lockd.lease where ended_at < now() - interval '1 h') as processes,
              (select count(*)::int from lockd.hold where since < now() - interval '1 h') as resources`,
    )
  )[0];

const nothing = { processes: 0, resources: 0 };

test('what others have left behind is cleared away by a process that lives, also after `start()`', async () => {
  await using lockd = await lockDatabase();
  await leaveBehind(lockd.url);
  const locks = lockd.manager();
  await locks.start();
  await locks.acquire('order:1');
  await expect.poll(() => leftBehind(lockd.url), { timeout: 10_000 }).toEqual(nothing);
});

test('a process that lives for a moment clears some of it away on its way out', async () => {
  await using lockd = await lockDatabase();
  await leaveBehind(lockd.url);
  const locks = lockd.manager();
  await locks.start();
  await locks.using('order:1', () => {});
  await locks.stop();
  expect(await leftBehind(lockd.url)).toEqual(nothing);
});

test('so does `lockd lock`', async () => {
  await using lockd = await lockDatabase();
  await leaveBehind(lockd.url);
  const { code } = await cli(['lock', 'order:1', '--', 'true'], { DATABASE_URL: lockd.url });
  expect(code).toBe(0);
  expect(await leftBehind(lockd.url)).toEqual(nothing);
});

test('what is in use stands in the way of nothing behind it', async () => {
  await using lockd = await lockDatabase();
  const holder = lockd.manager();
  const held = await holder.acquire('idle:0', { mode: 'shared' });
  await query(lockd.url, `update lockd.hold set since = now() - interval '3 h'`);
  await leaveBehind(lockd.url);
  const locks = lockd.manager();
  await locks.using('order:1', () => {});
  await locks.stop();
  const rows = await query(
    lockd.url,
    `select resource from lockd.hold where resource like 'idle:%' and slot = 0`,
  );
  expect(rows).toEqual([{ resource: 'idle:0' }]);
  expect(held.isHeld()).toBe(true);
});
