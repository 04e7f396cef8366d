import { expect, test } from 'vitest';
import { type Election, holdElection } from '../support/election.ts';
import type { Host } from '../support/host.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

/** A seat that is granted to a frozen standby is its for a heartbeat, which is a fifth of this. */
const ttlMs = 10_000;
/** Two heartbeats and a noisy machine; five of them, one after the other, would be ten seconds. */
const boundMs = 6_000;

test('five frozen standbys in the queue cost a living one behind them no more than one of them', async () => {
  await using election = await holdElection({ ttlMs, firstWaitMs: 2_000 });
  const leader = await election.lead('leader');
  const labels = ['a', 'b', 'c', 'd', 'e'];
  const zombies = await Promise.all(labels.map((label) => election.host(label)));
  const frozen = await frozenInLine(election, zombies);
  const living = election.enter('living');
  void living.controller.start();
  await until(async () => (await election.waiters()).some(({ pid }) => !frozen.includes(pid)), {
    describe: 'the living one stands in line',
  });
  const leftAt = now();
  await leader.controller.stop();
  const [holder] = await election.seatHolders();
  expect(frozen).toContain(holder?.pid);
  const active = await living.story.next('active', 20_000);
  expect(active.at - leftAt).toBeLessThan(boundMs);
  expect(living.story.logged('waits for the old lease')).toEqual([]);
}, 60_000);

/** Who was caught between two attempts does not stand in line, and is thawed to try again. */
async function frozenInLine(election: Election, zombies: readonly Host[]): Promise<number[]> {
  const waiting = async () => (await election.waiters()).map(({ pid }) => pid);
  return until(
    async () => {
      for (const zombie of zombies) zombie.thaw();
      await until(async () => (await waiting()).length === zombies.length);
      for (const zombie of zombies) zombie.freeze();
      const frozen = await waiting();
      return frozen.length === zombies.length ? frozen : undefined;
    },
    { describe: 'all of them were frozen in the queue', timeoutMs: 30_000 },
  );
}
