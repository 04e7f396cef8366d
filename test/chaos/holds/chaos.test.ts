import { expect, test } from 'vitest';
import { faults } from '../faults/all.ts';
import { forgetfulOf, trustingOf } from './controls.ts';
import { textReport } from './report.ts';
import { type HoldRunSettings, playHolds } from './run.ts';
import { hasTold, slow, violations } from './verdict.ts';

const settings: HoldRunSettings = {
  seed: Number(process.env['LOCKD_TEST_CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 31)),
  rounds: 4,
  faults,
  ttlMs: 1_500,
  kinds: ['guarded-holder', 'holder', 'guarded-holder', 'holder'],
  isTrusting: false,
  isForgetful: false,
};
/**
 * Of what is promised: other tests, and on CI other people's, run on the same few cores meanwhile. The
 * measure itself is `npm run chaos`, which allows no more than the bounds.
 */
const patience = 3;

// Two that cannot hold beside one another are no matter of a second try.
const once = { timeout: 300_000, retry: 0 };

test(
  'whatever strikes, nobody holds beside another who cannot, no stale write is committed, everything is had again, and nothing is left',
  once,
  async () => {
    const run = await playHolds(settings);
    const report = textReport(run);
    console.log(report);
    expect(violations(run), report).toEqual([]);
    expect(slow(run, patience), report).toEqual([]);
    expect(run.rounds.length).toBe(settings.rounds);
  },
);

test.each([
  ['that are trusted until they are given back', trustingOf],
  ['that the server forgets in a crash without a doubt', forgetfulOf],
])('holds %s clash, and the checker sees it', once, async (_, of) => {
  const run = await playHolds(of(settings, 12));
  expect(hasTold(run.clashes), textReport(run)).toBe(true);
});
