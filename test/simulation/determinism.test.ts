import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { check } from './check.ts';
import { coreMutants } from './mutants/core.ts';
import { withMistake } from './mutants/mutant.ts';
import { play } from './play.ts';
import { schedules } from './schedule.ts';

describe('a schedule happens the same each time', () => {
  test.each(fc.sample(schedules, { seed: 1, numRuns: 25 }))(
    'to the line (%#)',
    async (schedule) => {
      const first = await play(schedule, { isTold: true });
      const second = await play(schedule, { isTold: true });
      expect(second.lines).toEqual(first.lines);
      expect(second.steps).toBe(first.steps);
      expect(first.lines.length).toBeGreaterThan(3);
    },
  );

  test('whether anybody takes notes or not', async () => {
    for (const schedule of fc.sample(schedules, { seed: 2, numRuns: 25 })) {
      const told = await play(schedule, { isTold: true });
      const untold = await play(schedule);
      expect(untold.steps).toBe(told.steps);
      expect(String(untold.tally)).toBe(String(told.tally));
    }
  });
});

describe('a broken promise', () => {
  const name = 'no wait for the lease of a silent predecessor';

  test('is shrunk, told as a story, and found again from its seed and path', async () => {
    const mistake = coreMutants.find((mutant) => mutant.name === name);
    if (mistake === undefined) throw new Error(`no such mistake: ${name}`);
    await using mistaken = await withMistake(mistake);
    const { check: checkMistaken } = await mistaken.load<typeof import('./check.ts')>('check.ts');
    const { failure } = await checkMistaken({ runs: 1_000, seed: 1 });
    if (failure === undefined) throw new Error('the mistake was not noticed');
    expect(failure.invariant).toBe('one gate');
    const { story } = failure;
    // Two leaders and what made the server free the seat: no more is left of the schedule.
    expect(story.match(/^ {2}[A-D] {2}TTL/gm)?.length).toBe(2);
    expect(story.match(/^ {2}from /gm)?.length).toBeLessThanOrEqual(2);
    expect(story).toMatch(/A +is ACTIVE as \d+$/m);
    expect(story).toMatch(/VIOLATION one gate: .* are both open$/m);
    const { path, seed } = failure;
    const again = await checkMistaken({ runs: 1, seed, path, endOnFailure: true });
    expect(again.failure?.story).toBe(story);
  }, 60_000);

  test('is none without the mistake', async () => {
    expect((await check({ runs: 300, seed: 1 })).failure).toBeUndefined();
  }, 60_000);
});
