import { expect, test } from 'vitest';
import { controlOf } from './chaos.ts';
import { faults } from './faults/all.ts';
import { slow, textReport, violations } from './report.ts';
import { play, type RunSettings } from './run.ts';
import { timeline } from './timeline.ts';

const settings: RunSettings = {
  seed: Number(process.env['LOCKD_CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 31)),
  rounds: faults.length + 8,
  faults,
  ttlMs: 1_500,
  kinds: ['run', 'guarded', 'run', 'plain'],
  takeover: 'safe',
  isFenced: true,
};
/** Of what is promised, for a machine that does other things as well. */
const patience = 4;

// Two leaders at once are no matter of a second try.
const once = { timeout: 300_000, retry: 0 };

test(
  'whatever strikes, one leads at a time, nothing is lost or done twice, and somebody leads again',
  once,
  async () => {
    const run = await play(settings);
    const report = textReport(run);
    console.log(report);
    expect(violations(run), report).toEqual([]);
    expect(slow(run, patience), report).toEqual([]);
    expect(new Set(run.rounds.map(({ fault }) => fault))).toEqual(new Set(faults));
    expect(run.items.acknowledged).toBeGreaterThan(run.rounds.length);
    expect(timeline(run)).toContain('</svg>');
  },
);

test('without the wait, the guard and the fence the same faults break it, and the checker sees it', async () => {
  const run = await play({ ...controlOf(settings, 60), enough: 1 });
  expect(run.overlaps.length, textReport(run)).toBeGreaterThan(0);
}, 200_000);
