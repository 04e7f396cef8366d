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
