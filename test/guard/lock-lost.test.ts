import { expect, test } from 'vitest';
import { query } from '../support/database.ts';
import { type Run, signal } from '../support/run.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';
import { openWorkshop, type Workshop } from '../support/workshop.ts';

/** Far longer than what is waited for here: a successor that is quick has not waited it out. */
const ttlMs = 60_000;
const quickMs = 8_000;

test.concurrent('SIGKILL of `lockd lock`: the command is ended before the next one has the resource', async () => {
  await using shop = await openWorkshop(ttlMs);
  const [first, second] = await pair(shop, { finishMs: 300, below: { finishMs: 'never' } });
  await shop.claimed({ label: 'first', who: 'grandchild' });
  signal(first.guard, 'SIGKILL');
  const killedAt = now();
  const next = await second.leads();
  expect(next.at).toBeGreaterThan(shop.lastClaim({ label: 'first' }));
  expect(next.at - killedAt).toBeLessThan(quickMs);
  expect(shop.claims({ label: 'first', who: 'command', kind: 'SIGTERM' })).toHaveLength(1);
});

test.concurrent('SIGKILL of its supervisor: the guard ends the command, testifies, and exits with 75', async () => {
  await using shop = await openWorkshop(ttlMs);
  const [first, second] = await pair(shop, { finishMs: 'never' });
  signal(await first.supervisor, 'SIGKILL');
  const killedAt = now();
  const next = await second.leads();
  expect(next.at).toBeGreaterThan(shop.lastClaim({ label: 'first' }));
  expect(next.at - killedAt).toBeLessThan(quickMs);
  expect(await first.exit()).toBe(75);
  expect((await shop.terms())[0]).toMatchObject({ label: 'first', ended_by: 'testimony' });
});

test.concurrent.each([
  ['supervisor', 'guard'],
  ['guard', 'supervisor'],
] as const)(
  'SIGKILL of %s and %s at once: the kernel ends the command, and its lease is waited out',
  async (...victims) => {
    await using shop = await openWorkshop(2_000);
    const [first, second] = await pair(shop, {});
    const pids = { supervisor: await first.supervisor, guard: first.guard };
    for (const victim of victims) signal(pids[victim], 'SIGKILL');
    const next = await second.leads();
    expect(next.at).toBeGreaterThan(shop.lastClaim({ label: 'first' }));
    expect(shop.claims({ label: 'first', kind: 'SIGTERM' })).not.toEqual([]);
  },
);

test.concurrent('a frozen supervisor: the command is gone before the lease ends, and then the next one has it', async () => {
  await using shop = await openWorkshop(2_000);
  const [first, second] = await pair(shop, { finishMs: 'never' });
  signal(await first.supervisor, 'SIGSTOP');
  const leaseEnd = now() + shop.ttlMs;
  const next = await second.leads();
  expect(shop.lastClaim({ label: 'first' })).toBeLessThan(leaseEnd);
  expect(next.at).toBeGreaterThan(shop.lastClaim({ label: 'first' }));
  expect(await first.exit()).toBe(75);
});

test.concurrent('a frozen guard: the supervisor ends the command and lets go; thawed, it exits with 75', async () => {
  await using shop = await openWorkshop(10_000);
  const [first, second] = await pair(shop, {});
  signal(first.guard, 'SIGSTOP');
  const next = await second.leads();
  expect(next.at).toBeGreaterThan(shop.lastClaim({ label: 'first' }));
  signal(first.guard, 'SIGCONT');
  expect(await first.exit()).toBe(75);
});

test.concurrent('a session that is lost ends the command, which is not started again: exit code 75', async () => {
  await using shop = await openWorkshop(10_000);
  const [first, second] = await pair(shop, { exitCode: 3 });
  await endSeatOf(shop, 'first');
  const next = await second.leads();
  expect(next.at).toBeGreaterThan(shop.lastClaim({ label: 'first' }));
  expect(await first.exit()).toBe(75);
  expect(first.logged('LOCKD_HOLD_LOST')).toBe(true);
  expect(shop.claims({ label: 'first', kind: 'begin' })).toHaveLength(1);
});

test.concurrent('a session that is lost while it waits costs its place in line, and not the wait', async () => {
  await using shop = await openWorkshop(10_000);
  const [first, second] = await pair(shop, {});
  const lease = async () =>
    (await query(shop.url, 'select process_token as token from lockd.waiting'))[0]?.['token'];
  const before = await lease();
  await endSeatOf(shop, 'second');
  await until(async () => ![undefined, before].includes(await lease()), {
    describe: 'it stands in line anew, under another lease',
  });
  first.process.signal('SIGTERM');
  await second.leads();
  expect(await first.exit()).toBe(0);
});

test.concurrent.each(['supervisor', 'guard'] as const)(
  'SIGKILL of the %s of one that waits leaves nobody in line before the next',
  async (victim) => {
    await using shop = await openWorkshop(ttlMs);
    const [first, second] = await pair(shop, {});
    const third = shop.lock('third');
    await shop.inLine('third');
    signal(await second[victim], 'SIGKILL');
    await second.process.closed; // supervisor and guard have the same stderr
    expect((await shop.standing()).waiters).toEqual(['third']);
    first.process.signal('SIGTERM');
    await third.leads();
    expect(shop.claims({ label: 'second' })).toEqual([]);
  },
);

/** One that holds, with 600 ms of grace, and one that waits. */
async function pair(shop: Workshop, worker: Parameters<Workshop['lock']>[1]): Promise<[Run, Run]> {
  const first = shop.lock('first', worker, { flags: ['--grace', '600ms'] });
  await first.leads();
  const second = shop.lock('second');
  await second.supervisor;
  await shop.inLine('second');
  return [first, second];
}

/** As a failing network does: the session that beats, and nothing else of this process. */
async function endSeatOf(shop: Workshop, label: string): Promise<void> {
  const ended = await query(
    shop.url,
    `select pg_terminate_backend(s.pid) from lockd.advisory_locks(lockd.seat_class()) s
     join lockd.lease l on l.lock_id = s.object where l.label = $1`,
    [label],
  );
  expect(ended).toHaveLength(1);
}
