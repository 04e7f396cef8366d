import { expect, test } from 'vitest';
import { startNode } from '../support/processes.ts';
import { until } from '../support/wait.ts';
import { lockDatabase } from './database.ts';

test('who never waits is not refused for ever by a process that is dead', async () => {
  await using lockd = await lockDatabase();
  const ttlMs = 1_000;
  const settings = { connectionString: lockd.url, ttlMs, resources: ['order:1', 'order:2'] };
  await using holder = startNode(new URL('holder.js', import.meta.url), [JSON.stringify(settings)]);
  await until(() => holder.stdout.includes('held'));
  const locks = lockd.manager();
  const seldom = locks.once('order:2', () => {});
  expect(await seldom).toMatchObject({ status: 'already-running' });

  holder.signalGroup('SIGKILL');
  await holder.exited;
  const hold = await until(() => locks.tryAcquire('order:1'), { timeoutMs: 20_000 });
  expect(hold.isHeld()).toBe(true);
  expect(await locks.once('order:2', () => 'done')).toEqual({ status: 'ran', value: 'done' });
});
