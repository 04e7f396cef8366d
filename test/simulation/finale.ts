import fc from 'fast-check';
import { type Act, acts, type Scene, type Struck, strike } from './acts.ts';
import type { Life } from './host.ts';
import type { Judge } from './invariants.ts';
import type { Tally } from './tally.ts';
import type { World } from './world.ts';

/** One clean event, so long after everybody has settled. */
export interface Cue {
  readonly is: Act;
  readonly afterMs: number;
}

const cue: fc.Arbitrary<Cue> = fc.record({
  is: fc.constantFrom(...acts),
  afterMs: fc.integer({ min: 0, max: 2_000 }),
});

/** Often one, seldom two: a lease that is waited for is half of a storm. */
export const finales: fc.Arbitrary<Cue[]> = fc.oneof(
  { weight: 4, arbitrary: fc.array(cue, { maxLength: 1 }) },
  { weight: 1, arbitrary: fc.array(cue, { maxLength: 2, size: 'max' }) },
);

export interface Ensemble extends Omit<Scene, 'leader'> {
  readonly world: World;
  readonly judge: Judge;
  readonly tally: Tally;
  /** How long it may take until everybody is where they belong. */
  readonly settleMs: number;
}

/**
 * After the storm: clean events, one at a time, and for each of them how long nobody led. During the
 * storm nobody can say what is due; here everybody is connected and has seen the latest beat.
 */
export async function playFinale(ensemble: Ensemble, cues: readonly Cue[]): Promise<void> {
  const { world, judge, tally } = ensemble;
  const heartbeatMs = Math.max(...ensemble.hosts.map(({ plan }) => plan.ttlMs)) / 5;
  for (const { is, afterMs } of cues) {
    await settle(ensemble, Math.max(heartbeatMs + 300, ensemble.network.silentUntil - world.now));
    await world.run(world.now + afterMs, () => judge.look());
    const { leader } = judge;
    const token = leader?.openToken;
    if (leader === undefined || token === undefined) {
      world.violate('steady', 'the leader is gone, and nothing went wrong');
      return;
    }
    tally.count('finale', is);
    await perform(ensemble, is, leader, token);
  }
}

async function perform(ensemble: Ensemble, act: Act, leader: Life, token: bigint): Promise<void> {
  const { world, judge, network } = ensemble;
  const look = (): void => judge.look();
  let struck: Struck = { boundMs: 0, isDrained: false, heal: () => {} };
  // In its turn like all that happens: what it sets off is not to wait for what happens next.
  world.after(0, () => {
    world.tell('finale', () => `${act}, while ${leader.instance} leads`);
    struck = strike(act, { ...ensemble, leader });
  });
  await world.run(world.now, look);
  let from = world.now;
  let wasWorking = struck.isDrained;
  const isReplaced = (): boolean => judge.leader !== undefined && judge.leader.openToken !== token;
  await world.run(from + struck.boundMs + 2_000, look, () => {
    // The look after the one that saw the last of it is the moment at which it ended.
    if (wasWorking) from = world.now;
    wasWorking &&= leader.work.runsUnder(token);
    return isReplaced();
  });
  const tookMs = world.now - from;
  if (!isReplaced() || tookMs > struck.boundMs) {
    const took = isReplaced() ? `${Math.round(tookMs)} ms` : 'longer';
    const bound = Math.round(struck.boundMs);
    world.violate('in time', `${act}: nobody has to lead for ${bound} ms at most, it took ${took}`);
  }
  world.after(0, () => {
    struck.heal();
    network.becomeCalm();
  });
  await world.run(world.now, look);
}

/** One leads, the others wait, every session is there, and so it has been for some time. */
async function settle(
  { world, judge, hosts, settleMs }: Ensemble,
  steadyMs: number,
): Promise<void> {
  let leader = judge.leader;
  let since = world.now;
  const isSettled = (): boolean => {
    const isReady = hosts.every(({ life }) => life.isReady);
    if (judge.leader !== leader || !isReady) {
      leader = judge.leader;
      since = world.now;
    }
    return leader !== undefined && isReady && world.now - since >= steadyMs;
  };
  const withinMs = settleMs + steadyMs;
  await world.run(world.now + withinMs, () => judge.look(), isSettled);
  if (!isSettled()) world.violate('progress', `not everybody has settled within ${withinMs} ms`);
}
