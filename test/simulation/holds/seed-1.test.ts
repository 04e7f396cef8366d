import { setPriority } from 'node:os';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { holdSchedules } from '../scale.ts';
import { inWords } from '../simulate.ts';
import { check } from './check.ts';
import { play } from './play.ts';
import { schedules } from './schedule.ts';

/** What has to happen at least so often for the rest to prove anything. */
const least: readonly (readonly [kind: string, what: string, times: number])[] = [
  ...[
    'block',
    'cancel',
    'crash',
    'cut',
    'down',
    'freeze',
    'kill',
    'lose-answers',
    'strand',
    'terminate',
  ].map((fault) => ['fault', fault, 60] as const),
  ...['force', 'lose-news', 'restart', 'slow'].map((fault) => ['fault', fault, 15] as const),
  ['had', 'exclusive', 8_000],
  ['had', 'permit', 2_000],
  ['had', 'shared', 2_000],
];

/** All of it is computing: tests that wait for leases go first. */
setPriority(10);

test(`${holdSchedules} schedules of holds keep every promise`, async () => {
  const found = await check({ runs: holdSchedules, seed: 1 });
  console.log(`${found.tally}\nseed 1: ${inWords(found, 'holds')}`);
  expect(found.failure?.message).toBeUndefined();
  const tooRare = least.filter(([kind, what, times]) => found.tally.of(kind, what) < times);
  expect(tooRare).toEqual([]);
}, 600_000);

test.each(fc.sample(schedules, { seed: 2, numRuns: 10 }))(
  'a schedule of holds happens the same each time, to the line (%#)',
  async (schedule) => {
    const first = await play(schedule, { isTold: true });
    const second = await play(schedule, { isTold: true });
    expect(second.lines).toEqual(first.lines);
    expect(second.steps).toBe(first.steps);
    expect(first.lines.length).toBeGreaterThan(3);
  },
);
