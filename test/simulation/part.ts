import { setPriority } from 'node:os';
import { expect, test } from 'vitest';
import { acts } from './acts.ts';
import { check } from './check.ts';
import { type Seed, schedulesPerSeed } from './scale.ts';
import { inWords } from './simulate.ts';
import type { Tally } from './tally.ts';

/** What has to happen at least so often in 5,000 schedules for the rest to prove anything. */
const least: readonly (readonly [kind: string, what: string, times: number])[] = [
  ...['vacant', 'ended', 'own', 'observed', 'doubtful'].map(
    (ground) => ['takeover', ground, 300] as const,
  ),
  ...['session-lost', 'deadline-passed', 'stopped', 'resigned'].map(
    (reason) => ['end', reason, 300] as const,
  ),
  ['end', 'server-shutdown', 15],
  ['mark', 'release', 1_000],
  ['mark', 'confession', 300],
  ['mark', 'testimony', 75],
  ['warning', 'LOCKD_DRAIN_OVERRUN', 15],
  ['warning', 'LOCKD_FENCE_BLOCKED', 75],
  ['warning', 'LOCKD_UNCERTAIN', 75],
  ...[
    'promote',
    'restore',
    'crash',
    'freeze',
    'block',
    'suspend',
    'kill',
    'cut',
    'flap',
    'reset',
  ].map((fault) => ['fault', fault, 300] as const),
  ...['stop', 'terminate', 'step-clock', 'shutdown', 'stall', 'rumour', 'stubborn'].map(
    (fault) => ['fault', fault, 150] as const,
  ),
  ...acts.map((act) => ['finale', act, 75] as const),
  ['work', 'fenced commit', 5_000],
  ['work', 'step', 50_000],
];

/** All of it is computing: tests that wait for leases go first. */
const politely = 10;

export function playFrom(seed: Seed): void {
  setPriority(politely);
  test(`${schedulesPerSeed} schedules from seed ${seed} keep every promise`, async () => {
    const found = await check({ runs: schedulesPerSeed, seed });
    console.log(`${found.tally}\nseed ${seed}: ${inWords(found)}`);
    expect(found.failure?.message).toBeUndefined();
    expect(tooRare(found.tally)).toEqual([]);
  }, 600_000);
}

const tooRare = (tally: Tally): string[] =>
  least
    .filter(([kind, what, times]) => tally.of(kind, what) < (times * schedulesPerSeed) / 5_000)
    .map(([kind, what, times]) => `${kind}: ${what}, ${tally.of(kind, what)} of ${times}`);
