import { expect, test } from 'vitest';
import { query } from '../../support/database.ts';
import { startProxy } from '../../support/proxy.ts';
import { now } from '../../support/story.ts';
import { until } from '../../support/wait.ts';
import { lockDatabase } from '../database.ts';
import { workersAt } from './worker.ts';

const ttlMs = 1_500;
/** For what waits for a TTL: two looks, and what a busy machine needs. */
const promptMs = 6_000;

/** The wait stands in line, whoever looks. */
const awaited = (url: string) =>
  until(async () => (await query(url, 'select from lockd.waiter')).length > 0);

test('a process that is killed: its hold is had elsewhere after its TTL, and not before', async () => {
  await using lockd = await lockDatabase();
  await using workers = workersAt(lockd.url, { ttlMs });
  const [one, two] = [await workers.start(), await workers.start()];
  const first = await one.hold('order:1');
  two.tell({ do: 'acquire', id: 'order:1' });
  await awaited(lockd.url);
  one.signal('SIGKILL');
  const killedAt = now();
  const next = await two.hears('held', 'order:1');
  const [end] = await query<{ ended_by: string; silentMs: number }>(
    lockd.url,
    `select ended_by, (extract(epoch from ended_at - beat_at) * 1000)::integer as "silentMs"
     from lockd.lease where ended_at is not null`,
  );
  expect(BigInt(next.token as string)).toBeGreaterThan(BigInt(first.token as string));
  expect(end?.ended_by).toBe('expiry');
  expect(end?.silentMs).toBeGreaterThanOrEqual(ttlMs);
  expect(next.at - killedAt).toBeLessThan(ttlMs + promptMs);
});

test('a process with a guard that is killed: its holds are had elsewhere well within its TTL', async () => {
  await using lockd = await lockDatabase();
  await using workers = workersAt(lockd.url, { ttlMs: 20_000, guard: true });
  const [one, two] = [await workers.start({ label: 'one' }), await workers.start()];
  for (const id of ['order:1', 'order:2']) await one.hold(id);
  await until(
    async () => {
      const like = `select from pg_stat_activity where application_name like 'lockd:lockd:process:%:one'`;
      return (await query(lockd.url, like)).length === 3;
    },
    { describe: 'the witness is connected, beside the seat and the control session' },
  );
  for (const id of ['order:1', 'order:2']) two.tell({ do: 'acquire', id });
  await awaited(lockd.url);
  one.signal('SIGKILL');
  const killedAt = now();
  for (const id of ['order:1', 'order:2']) {
    const next = await two.hears('held', id, 10_000);
    expect(next.at - killedAt).toBeLessThan(10_000);
  }
});

test('a frozen process: after its TTL another has it; thawed, it holds nothing, is told so, and its fence is refused', async () => {
  await using lockd = await lockDatabase();
  await using workers = workersAt(lockd.url, { ttlMs });
  const [one, two] = [await workers.start(), await workers.start()];
  const first = await one.hold('order:1');
  two.tell({ do: 'acquire', id: 'order:1' });
  await awaited(lockd.url);
  one.signal('SIGSTOP');
  const frozenAt = now();
  const next = await two.hears('held', 'order:1');
  expect(next.at - frozenAt).toBeLessThan(ttlMs + promptMs);
  expect(BigInt(next.token as string)).toBeGreaterThan(BigInt(first.token as string));
  one.signal('SIGCONT');
  expect((await one.hears('thawed')).holding).toEqual([]);
  const lost = await one.hears('lost', 'order:1');
  expect(lost.code).toBe('LOCKD_HOLD_LOST');
  expect(lost.lastTrue).toBeLessThan(next.at);
  await one.hears('released', 'order:1');
  for (const worker of [one, two]) worker.tell({ do: 'fence', id: 'order:1' });
  expect(await one.hears('problem', 'order:1')).toMatchObject({ code: 'LOCKD_STALE_TOKEN' });
  await two.hears('fenced', 'order:1');
  expect(one.of('fenced')).toEqual([]);
});

test('all that a holder says and hears is swallowed: it has stopped before another begins', async () => {
  await using lockd = await lockDatabase();
  await using proxy = await startProxy(lockd.url);
  await using workers = workersAt(lockd.url, { ttlMs });
  const [one, two] = [
    await workers.start({ connectionString: proxy.url() }),
    await workers.start(),
  ];
  await one.hold('order:1');
  two.tell({ do: 'acquire', id: 'order:1' });
  await awaited(lockd.url);
  proxy.blackhole();
  const cutAt = now();
  const next = await two.hears('held', 'order:1');
  const lost = await one.hears('lost', 'order:1');
  expect(lost.lastTrue).toBeLessThan(next.at);
  expect(lost.at).toBeLessThan(next.at);
  expect(next.at - cutAt).toBeLessThan(ttlMs + promptMs);
});
