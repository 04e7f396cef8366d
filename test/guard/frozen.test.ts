import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Run, signal } from '../support/run.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';
import { openWorkshop, type Workshop } from '../support/workshop.ts';

const ttlMs = 2_000;
/** Beyond what is promised: a heartbeat, a wait in the queue, the start of a command, noise. */
const slackMs = 10_000;

test.concurrent('a frozen supervisor: the guard asks the command before the lease ends, ends it, and testifies', async () => {
  await using shop = await openWorkshop(ttlMs);
  const [first, second] = await pair(shop, {});
  signal(await first.supervisor, 'SIGSTOP');
  const leaseEnd = await shop.leaseEnd();
  const next = await second.leads();
  const told = await shop.claimed({ label: 'first', kind: 'SIGTERM' });
  expect(told.at).toBeLessThan(leaseEnd);
  expect(shop.lastClaim({ label: 'first' })).toBeLessThan(leaseEnd);
  expect(await first.exit()).toBe(75);
  expect(next.at).toBeLessThan(leaseEnd + slackMs);
  // Whether or not the successor, whose wait is over by then, was quicker.
  expect(first.logged('"msg":"testified"')).toBe(true);
});

test.concurrent('a frozen supervisor: a command that ignores TERM is killed before the lease ends', async () => {
  await using shop = await openWorkshop(ttlMs);
  const [first, second] = await pair(shop, {
    finishMs: 'never',
    below: { finishMs: 'never' },
  });
  await shop.claimed({ label: 'first', who: 'grandchild' });
  signal(await first.supervisor, 'SIGSTOP');
  const leaseEnd = await shop.leaseEnd();
  const next = await second.leads();
  expect(shop.lastClaim({ label: 'first' })).toBeLessThan(leaseEnd);
  expect(next.at).toBeLessThan(leaseEnd + slackMs);
  expect(await first.exit()).toBe(75);
});

test.concurrent('a supervisor frozen for less than a lease goes on as if nothing had been', async () => {
  await using shop = await openWorkshop(ttlMs);
  const [first] = await pair(shop, {});
  const { token } = await shop.claimed({ label: 'first' });
  const supervisor = await first.supervisor;
  for (let round = 0; round < 2; round += 1) {
    signal(supervisor, 'SIGSTOP');
    await pause(ttlMs / 3); // how long it is frozen is what this is about
    signal(supervisor, 'SIGCONT');
    await shop.beats(2);
  }
  expect(shop.claims({ kind: 'SIGTERM' })).toEqual([]);
  expect(await shop.terms()).toMatchObject([{ token, ended_by: null }]);
});

test.concurrent('a guard frozen for a moment goes on as if nothing had been', async () => {
  await using shop = await openWorkshop(ttlMs);
  const [first] = await pair(shop, {});
  const { token } = await shop.claimed({ label: 'first' });
  signal(first.guard, 'SIGSTOP');
  await pause(300); // less than the silence after which it counts as dead
  signal(first.guard, 'SIGCONT');
  await shop.beats(3);
  expect(shop.claims({ kind: 'SIGTERM' })).toEqual([]);
  expect(await shop.terms()).toMatchObject([{ token, ended_by: null }]);
});

test.concurrent('a frozen guard: the supervisor ends the command, releases and exits; thawed, it says 75', async () => {
  await using shop = await openWorkshop(10_000);
  const [first, second] = await pair(shop, {});
  signal(first.guard, 'SIGSTOP');
  const frozenAt = now();
  const next = await second.leads();
  expect(next.at - frozenAt).toBeLessThan(8_000);
  expect((await shop.terms())[0]).toMatchObject({ label: 'first', ended_by: 'release' });
  signal(first.guard, 'SIGCONT');
  expect(await first.exit()).toBe(75);
});

test.concurrent('a command that is stopped with all its group is ended all the same', async () => {
  await using shop = await openWorkshop(10_000);
  const [first, second] = await pair(shop, { finishMs: 'never' });
  const { pid } = await shop.claimed({ label: 'first' });
  signal(-pid, 'SIGSTOP');
  first.process.signal('SIGTERM');
  await second.leads();
  expect(await first.exit()).toBe(128 + 9);
});

test.concurrent('a command that stops itself in answer to TERM does not outlive the lease of a frozen supervisor', async () => {
  await using shop = await openWorkshop(ttlMs);
  const [first, second] = await pair(shop, { finishMs: 'never' });
  const { pid } = await shop.claimed({ label: 'first' });
  signal(await first.supervisor, 'SIGSTOP');
  const leaseEnd = await shop.leaseEnd();
  await shop.claimed({ label: 'first', kind: 'SIGTERM' });
  signal(-pid, 'SIGSTOP');
  await second.leads();
  expect(await first.exit()).toBe(75);
  expect(shop.lastClaim({ label: 'first' })).toBeLessThan(leaseEnd);
});

test.concurrent('a frozen standby can be stopped', async () => {
  await using shop = await openWorkshop(ttlMs);
  const [first, second] = await pair(shop, {});
  signal(await second.supervisor, 'SIGSTOP');
  second.process.signal('SIGTERM');
  expect(await second.exit()).toBe(75);
  expect(first.process.hasExited).toBe(false);
});

test.concurrent.each(['supervisor', 'guard'] as const)(
  'a starved %s never lets two work at once',
  async (victim) => {
    await using shop = await openWorkshop(1_000);
    const [first] = await pair(shop, {});
    const starved = await first[victim];
    const end = now() + 2 * shop.ttlMs;
    while (now() < end) {
      signal(starved, 'SIGSTOP');
      await pause(180); // nine parts of ten asleep
      signal(starved, 'SIGCONT');
      await pause(20);
    }
    // Whoever works now: the end of the workshop compares all that was claimed.
    const lastSaid = shop.lastClaim();
    await until(() => shop.lastClaim() > lastSaid, { describe: 'somebody works on' });
  },
);

/** One that leads, with a grace beyond the lease, and one that stands by. */
async function pair(shop: Workshop, worker: Parameters<Workshop['run']>[1]): Promise<[Run, Run]> {
  const flags = shop.ttlMs > 5_000 ? ['--grace', '1s'] : ['--grace', '60s'];
  const first = shop.run('first', worker, { flags });
  await first.leads();
  const second = shop.run('second');
  await second.standsBy();
  return [first, second];
}
