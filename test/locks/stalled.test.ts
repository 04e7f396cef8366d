import pg from 'pg';
import { expect, test } from 'vitest';
import { assertFence } from '../../src/index.ts';
import { query } from '../support/database.ts';
import { startProxy } from '../support/proxy.ts';
import { lockDatabase } from './database.ts';

test('a transaction that was fenced with a hold that is over holds up whoever is next, and not for ever', async () => {
  await using lockd = await lockDatabase();
  const [one, two] = [lockd.manager(), lockd.manager()];
  const client = new pg.Client({ connectionString: lockd.url });
  await client.connect();
  try {
    const hold = await one.acquire('order:1');
    await client.query('begin');
    await assertFence(client, hold);
    let isHad = false;
    const next = two.acquire('order:1').then((had) => {
      isHad = true;
      return had;
    });
    await expect.poll(async () => (await one.inspect('order:1')).waiters).toHaveLength(1);
    await hold.release();
    expect(await two.isLocked('order:1')).toBe(false);
    expect(isHad).toBe(false);
    await client.query('commit');
    expect((await next).token).toBeGreaterThan(hold.token);
  } finally {
    await client.end();
  }
});

test('two doubts that end in the same moment keep nobody waiting', async () => {
  await using lockd = await lockDatabase();
  const [one, two] = [lockd.manager(), lockd.manager()];
  await one.start();
  await two.start();
  const [first, second] = await query<{ lock_id: number; token: string }>(
    lockd.url,
    'select lock_id, token from lockd.lease where is_process order by 1',
  );
  if (first === undefined || second === undefined) throw new Error('There are no two processes.');
  const three = lockd.manager();
  await three.start();
  await query(
    lockd.url,
    `insert into lockd.doubt (process, process_token, ttl_ms)
     select lock_id, token, ttl_ms from lockd.lease l where lock_id = any ($1)`,
    [[first.lock_id, second.lock_id]],
  );
  const next = three.acquire('order:1');
  await expect.poll(async () => (await three.inspect('order:1')).waiters).toHaveLength(1);
  const ends = [first, second].map(() => new pg.Client({ connectionString: lockd.url }));
  try {
    // Each sees the doubt that the other one is about to end.
    for (const [index, { lock_id: process, token }] of [first, second].entries()) {
      await ends[index]?.connect();
      await ends[index]?.query('begin');
      await ends[index]?.query(
        'select lockd.expire($1, $2, beat) from lockd.lease where lock_id = $1',
        [process, token],
      );
    }
    for (const end of ends) await end.query('commit');
    expect((await next).resource).toBe('order:1');
  } finally {
    for (const end of ends) await end.end();
  }
});

test('calls go on where the server has not noticed that their session is gone', async () => {
  await using lockd = await lockDatabase();
  await using proxy = await startProxy(lockd.url);
  const locks = lockd.manager({ connectionString: proxy.url() });
  const hold = await locks.acquire('order:1');
  const work = proxy.connections.find(({ applicationName }) =>
    applicationName?.startsWith('lockd:locks:'),
  );
  work?.resetClientSide();
  await hold.release();
  expect((await locks.acquire('order:1', { waitMs: 10_000 })).isHeld()).toBe(true);
});
