import pg from 'pg';
import { expect, test } from 'vitest';
import { LockManager } from '../../../src/index.ts';
import { grantScript } from '../../../src/postgres/grants.ts';
import { query } from '../../support/database.ts';
import { until } from '../../support/wait.ts';
import { lockDatabase } from '../database.ts';

test('where no connection is left it is waited for: what was asked for meanwhile is had, and nothing is lost', async () => {
  await using lockd = await lockDatabase();
  const role = `role_${new URL(lockd.url).pathname.slice(1)}`;
  const address = new URL(lockd.url);
  address.username = role;
  address.password = 'secret';
  await query(lockd.url, `create role ${role} login password 'secret' connection limit 3`);
  const taken: pg.Client[] = [];
  const locks = new LockManager({ connectionString: address.href, reconnectMaxMs: 200 });
  try {
    await query(lockd.url, grantScript(role));
    for (let count = 0; count < 3; count += 1) {
      const client = new pg.Client({ connectionString: address.href });
      client.on('error', () => {});
      await client.connect();
      taken.push(client);
    }
    const refused = new Promise((resolve) => locks.on('warning', resolve));
    const holds = Array.from({ length: 20 }, (_, index) => locks.acquire(`order:${index % 10}`));
    expect(await refused).toMatchObject({ code: 'LOCKD_UNAVAILABLE' });
    await expect(locks.acquire('order:1', { waitMs: 300 })).rejects.toMatchObject({
      isRetryable: true,
    });
    // Not all at once: with one connection there is not yet a lease.
    for (const client of taken.splice(0)) await client.end();
    for (const hold of holds) await (await hold).release();
    const held = 'select from lockd.hold where is_held';
    await until(async () => (await query(lockd.url, held)).length === 0);
    expect(await query(lockd.url, 'select from lockd.waiter')).toEqual([]);
  } finally {
    for (const client of taken) await client.end();
    await locks.stop({ force: true });
    await query(lockd.url, `drop owned by ${role}; drop role ${role}`);
  }
});
