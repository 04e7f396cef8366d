import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { query } from '../../support/database.ts';
import { until } from '../../support/wait.ts';
import { lockDatabase } from '../database.ts';
import { claimsOf, overlaps } from './claims.ts';
import { workersAt } from './worker.ts';

test.each([
  ['that calls go through', `application_name like 'lockd:locks:%'`],
  ['of whichever kind', `application_name like 'lockd:%'`],
])(
  'sessions %s are ended at any moment under traffic: no two have the same, and nothing is left held',
  async (_, which) => {
    await using lockd = await lockDatabase();
    await using workers = workersAt(lockd.url, { ttlMs: 2_000, reconnectMaxMs: 50 });
    const all = [await workers.start(), await workers.start(), await workers.start()];
    const resources = ['a', 'b', 'c', 'd'];
    for (const worker of all) worker.tell({ do: 'traffic', streams: 6, resources });
    for (let ended = 0; ended < 25; ended += 1) {
      await query(
        lockd.url,
        `select pg_terminate_backend(pid) from (
           select pid from pg_stat_activity
           where datname = current_database() and ${which} order by random() limit 1) any_of_them`,
      );
      await pause(Math.random() * 80);
    }
    const before = all.map((worker) => worker.of('had').length);
    await until(
      () => all.every((worker, index) => worker.of('had').length > (before[index] ?? 0) + 20),
      { timeoutMs: 30_000, describe: 'all go on' },
    );
    for (const worker of all) worker.tell({ do: 'quiet' });
    for (const worker of all) await worker.hears('quiet', undefined, 30_000);
    expect(overlaps(claimsOf(all))).toEqual([]);
    const ghosts = 'select resource from lockd.hold where is_held';
    await until(async () => (await query(lockd.url, ghosts)).length === 0, {
      describe: 'nothing is held',
    });
    expect(await query(lockd.url, 'select from lockd.waiter')).toEqual([]);
  },
  90_000,
);
