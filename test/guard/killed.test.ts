import { expect, test } from 'vitest';
import { type Run, signal } from '../support/run.ts';
import { now } from '../support/story.ts';
import { openWorkshop, type Workshop } from '../support/workshop.ts';

/** Far longer than what is waited for here: a successor that is quick has not waited it out. */
const ttlMs = 60_000;
const quickMs = 8_000;

test.concurrent('SIGKILL of the supervisor: the command is ended, the guard testifies, the successor is quick', async () => {
  await using shop = await openWorkshop(ttlMs);
  const [first, second] = await pair(shop);
  signal(await first.supervisor, 'SIGKILL');
  const killedAt = now();
  const next = await second.leads();
  expect(next.at - killedAt).toBeLessThan(quickMs);
  expect(await first.exit()).toBe(75);
  // By the kernel, for each thread of the dying supervisor, and by the guard: once at least.
  expect(shop.claims({ label: 'first', kind: 'SIGTERM' })).not.toEqual([]);
  expect(await shop.terms()).toMatchObject([
    { label: 'first', ended_by: 'testimony', reason: 'its supervisor died' },
    { label: 'second', ended_by: null },
  ]);
});

test.concurrent('so it is where the kernel tells nobody of a death: the guard asks the command itself', async () => {
  await using shop = await openWorkshop(ttlMs);
  const first = shop.run('first', { below: {} }, { env: await shop.withoutSetpriv() });
  await first.leads();
  await shop.claimed({ who: 'grandchild' });
  signal(await first.supervisor, 'SIGKILL');
  expect(await first.exit()).toBe(75);
  expect(shop.claims({ who: 'command', kind: 'SIGTERM' })).toHaveLength(1);
  expect(shop.claims({ who: 'grandchild', kind: 'SIGTERM' })).toHaveLength(1);
  expect(await shop.terms()).toMatchObject([{ ended_by: 'testimony' }]);
});

test.concurrent('SIGKILL of the guard: the supervisor ends the command, releases, the successor is quick', async () => {
  await using shop = await openWorkshop(ttlMs);
  const [first, second] = await pair(shop);
  signal(first.guard, 'SIGKILL');
  const killedAt = now();
  const next = await second.leads();
  expect(next.at - killedAt).toBeLessThan(quickMs);
  expect(shop.claims({ label: 'first', kind: 'SIGTERM' })).toHaveLength(1);
  expect(await shop.terms()).toMatchObject([
    { label: 'first', ended_by: 'release' },
    { label: 'second', ended_by: null },
  ]);
});

test.concurrent.each(['supervisor', 'guard'] as const)(
  'SIGKILL of the %s: whoever ignores TERM is killed after the grace, and only then the term is over',
  async (victim) => {
    await using shop = await openWorkshop(ttlMs);
    const [first, second] = await pair(shop, { below: { finishMs: 'never' } });
    await shop.claimed({ label: 'first', who: 'grandchild' });
    signal(await first[victim], 'SIGKILL');
    const next = await second.leads();
    const told = await shop.claimed({ label: 'first', kind: 'SIGTERM', who: 'grandchild' });
    const gone = shop.lastClaim({ label: 'first', who: 'grandchild' });
    expect(gone - told.at).toBeGreaterThan(400);
    expect(next.at).toBeGreaterThan(gone);
    expect(next.at - told.at).toBeLessThan(quickMs);
  },
);

test.concurrent('SIGKILL of a standby, or of its guard, is the end of that standby and of nothing else', async () => {
  await using shop = await openWorkshop(ttlMs);
  const leader = shop.run('leader');
  const { token } = await leader.leads();
  const [one, other] = [shop.run('one'), shop.run('other')];
  await Promise.all([one.standsBy(), other.standsBy()]);
  signal(await one.supervisor, 'SIGKILL');
  signal(other.guard, 'SIGKILL');
  expect(await one.exit()).toBe(75);
  await other.process.closed; // the supervisor has the same stderr
  expect(await shop.terms()).toMatchObject([{ token, ended_by: null }]);
});

test.concurrent('SIGKILL of the command itself is how it ended', async () => {
  await using shop = await openWorkshop(ttlMs);
  const [first, second] = await pair(shop);
  const { pid } = await shop.claimed({ label: 'first', kind: 'begin' });
  signal(pid, 'SIGKILL');
  expect(await first.exit()).toBe(128 + 9);
  await second.leads();
});

/** One that leads, with 600 ms of grace, and one that stands by. */
async function pair(
  shop: Workshop,
  worker: Parameters<Workshop['run']>[1] = {},
): Promise<[Run, Run]> {
  const first = shop.run('first', worker, { flags: ['--grace', '600ms'] });
  await first.leads();
  const second = shop.run('second');
  await second.standsBy();
  return [first, second];
}
