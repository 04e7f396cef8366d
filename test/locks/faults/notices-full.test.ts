import { expect, test } from 'vitest';
import { LockManager, migrate } from '../../../src/index.ts';
import { startTestCluster } from '../../support/cluster.ts';
import { createDatabase, query } from '../../support/database.ts';
import { filledQueue } from '../../support/notices.ts';
import { now } from '../../support/story.ts';
import { until } from '../../support/wait.ts';

test('where somebody has filled the server’s queue of notices, those who wait are served all the same', async ({
  skip,
}) => {
  await using cluster = await startTestCluster();
  const setting = `select from pg_settings where name = 'max_notify_queue_pages'`;
  if ((await query(cluster.url(), setting)).length === 0) {
    skip('before PostgreSQL 17 the queue holds 8 GB');
  }
  await query(cluster.url(), 'alter system set max_notify_queue_pages = 64');
  await cluster.restart();
  const { url } = await createDatabase(cluster.url());
  await migrate({ connectionString: url });
  await using one = new LockManager({ connectionString: url });
  await using two = new LockManager({ connectionString: url });
  const first = await one.acquire('order:1');
  const [second, third] = [two.acquire('order:1'), two.acquire('order:1')];
  await until(async () => (await query(url, 'select from lockd.waiter')).length === 2);
  await using _ = await filledQueue(url);
  for (const [held, next] of [
    [Promise.resolve(first), second],
    [second, third],
  ] as const) {
    const leftAt = now();
    await (await held).release();
    await next;
    expect(now() - leftAt).toBeLessThan(5_000);
  }
  await (await third).release();
}, 60_000);
