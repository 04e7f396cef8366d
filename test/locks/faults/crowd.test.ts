import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { query } from '../../support/database.ts';
import { until } from '../../support/wait.ts';
import { lockDatabase } from '../database.ts';
import { workersAt } from './worker.ts';

test('a thousand waits for one resource, in four processes: all are served, one at a time, in their order', async () => {
  await using lockd = await lockDatabase();
  await using workers = workersAt(lockd.url, { ttlMs: 10_000 });
  const folder = await mkdtemp(join(tmpdir(), 'lockd-crowd-'));
  const file = join(folder, 'count');
  writeFileSync(file, '0');
  try {
    const gate = await lockd.manager().acquire('order:1');
    const all = await Promise.all([0, 1, 2, 3].map(() => workers.start()));
    for (const [index, worker] of all.entries()) {
      const from = index * 250;
      worker.tell({ do: 'crowd', from, to: from + 250, resource: 'order:1', file });
    }
    const waiting = () =>
      query<{ owner: string }>(lockd.url, 'select owner from lockd.waiter order by id');
    await until(async () => (await waiting()).length === 1_000, { timeoutMs: 60_000 });
    const line = (await waiting()).map(({ owner }) => owner);
    await gate.release();
    for (const worker of all) await worker.hears('crowded', undefined, 90_000);
    const served = readFileSync(`${file}.order`, 'utf8').trimEnd().split('\n');
    expect(served).toEqual(line);
    expect(readFileSync(file, 'utf8')).toBe('1000');
    expect(all.flatMap((worker) => worker.of('problem'))).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
}, 180_000);

test('a stream of readers does not starve a writer, nor a stream of writers a reader', async () => {
  await using lockd = await lockDatabase();
  await using workers = workersAt(lockd.url, { ttlMs: 10_000 });
  const [crowd, one] = [await workers.start(), await workers.start()];
  const resources = ['page'];
  // As many as overlap at any time.
  crowd.tell({ do: 'traffic', streams: 8, resources, mode: 'shared', holdMs: 20 });
  await until(() => crowd.of('had').length > 20);
  await one.hold('writer', { resource: 'page', waitMs: 15_000 } as object);
  one.tell({ do: 'release', id: 'writer' });
  await one.hears('released', 'writer');
  crowd.tell({ do: 'quiet' });
  await crowd.hears('quiet');

  const writers = await workers.start();
  writers.tell({ do: 'traffic', streams: 8, resources, holdMs: 5 });
  await until(() => writers.of('had').length > 20);
  await one.hold('reader', { resource: 'page', mode: 'shared', waitMs: 15_000 } as object);
  one.tell({ do: 'release', id: 'reader' });
  await one.hears('released', 'reader');
  writers.tell({ do: 'quiet' });
  await writers.hears('quiet');
  expect(one.of('problem')).toEqual([]);
}, 60_000);

test('thousands of readers behind a writer are let in by one release, each at a place of its own, in their order', async () => {
  await using lockd = await lockDatabase();
  const [one, two] = [lockd.manager(), lockd.manager()];
  const writer = await one.acquire('page');
  const other = await two.acquire('other');
  const first = two.acquire('page', { mode: 'shared', owner: 'reader 0' });
  await until(async () => (await one.inspect('page')).waiters.length === 1);
  // Asked for one by one they would take a minute to come.
  await query(
    lockd.url,
    `insert into lockd.waiter (resource, is_shared, process, process_token, request, owner)
     select w.resource, true, w.process, w.process_token, gen_random_uuid(), 'reader ' || i
     from lockd.waiter w, generate_series(1, 7999) i order by i`,
  );
  await writer.release();
  expect((await first).slot).toBe(1);
  const [letIn] = await query(
    lockd.url,
    `select count(*)::integer as readers,
       bool_and(owner = 'reader ' || slot - 1) as is_in_order,
       bool_and(token > before) as is_growing,
       max(token) = (select h.token from lockd.hold h where h.resource = 'page' and h.slot = 0) as is_told
     from (
       select h.*, lag(h.token, 1, 0::bigint) over (order by h.slot) as before
       from lockd.hold h where h.resource = 'page' and h.slot > 0 and h.is_held) held`,
  );
  expect(letIn).toEqual({ readers: 8_000, is_in_order: true, is_growing: true, is_told: true });
  await (await first).release();
  await other.release();
}, 60_000);
