import pg from 'pg';
import { expect, test } from 'vitest';
import { assertFence, LockManager } from '../../../src/index.ts';
import { grantScript } from '../../../src/postgres/grants.ts';
import { query } from '../../support/database.ts';
import { until } from '../../support/wait.ts';
import { lockDatabase } from '../database.ts';

test('a role with what is printed holds in every mode, waits, fences, looks, takes back and clears away', async () => {
  await using lockd = await lockDatabase();
  const role = `role_${new URL(lockd.url).pathname.slice(1)}`;
  const address = new URL(lockd.url);
  address.username = role;
  address.password = 'secret';
  const connectionString = address.href;
  await query(lockd.url, `create role ${role} login password 'secret'`);
  const client = new pg.Client({ connectionString });
  try {
    await query(lockd.url, grantScript(role));
    await using one = new LockManager({ connectionString });
    await using two = new LockManager({ connectionString });
    await client.connect();
    for (const mode of ['exclusive', 'shared', { permits: 1 }] as const) {
      const hold = await one.acquire('order:1', { mode, ttlMs: 60_000 });
      await hold.extend(90_000);
      await client.query('begin');
      await assertFence(client, hold);
      await client.query('commit');
      const next = two.acquire('order:1', { mode: mode === 'shared' ? 'exclusive' : mode });
      await until(async () => (await two.inspect('order:1')).waiters.length === 1);
      await hold.release();
      const had = await next;
      expect(await two.list()).toHaveLength(1);
      const forced = await one.forceRelease('order:1', { by: 'anna', reason: 'stuck', graceMs: 0 });
      expect(forced.taken).toHaveLength(1);
      await had.release();
    }
    // Its crash is seen by its watchers, who end its lease; what is old is cleared away by anybody.
    await query(connectionString, 'select lockd.clear_away(), lockd.forget_processes()');
    await query(connectionString, `select lockd.serve_stuck(array['order:1'])`);
    await query(
      connectionString,
      `select lockd.expire(lock_id, token, beat) from lockd.lease where is_process limit 1`,
    );
  } finally {
    await client.end();
    await query(lockd.url, `drop owned by ${role}; drop role ${role}`);
  }
});
