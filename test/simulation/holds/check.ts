import fc from 'fast-check';
import type { Failure, Found, Wanted } from '../check.ts';
import { Tally } from '../tally.ts';
import { type Line, Violation } from '../world.ts';
import { play } from './play.ts';
import { type Schedule, schedules } from './schedule.ts';

/** Plays schedules from a seed until one breaks a promise; fast-check shrinks that one. */
export async function check({ runs, seed, path, endOnFailure = false }: Wanted): Promise<Found> {
  const tally = new Tally();
  const began = performance.now();
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0; // a tenth of the time, and the story says more
  let virtualMs = 0;
  let played = 0;
  const property = fc.asyncProperty(schedules, async (schedule) => {
    played += 1;
    const outcome = await play(schedule);
    tally.add(outcome.tally);
    virtualMs += outcome.virtualMs;
  });
  const details = await fc.check(property, {
    numRuns: runs,
    seed,
    endOnFailure,
    ...(path === undefined ? {} : { path }),
  });
  Error.stackTraceLimit = stackTraceLimit;
  const failing = details.counterexample?.[0];
  const failure = failing && {
    ...(await told(failing)),
    seed,
    path: details.counterexamplePath ?? '',
    runs: details.numRuns,
  };
  const seconds = (performance.now() - began) / 1000;
  return { tally, runs: played, seconds, virtualHours: virtualMs / 3_600_000, failure };
}

/** Plays it once more, this time with somebody who takes notes. */
async function told(schedule: Schedule): Promise<Pick<Failure, 'invariant' | 'message' | 'story'>> {
  try {
    const { lines } = await play(schedule, { isTold: true });
    return { invariant: 'none', message: 'no promise was broken', story: storyOf(schedule, lines) };
  } catch (error) {
    const { lines = [] } = error as { lines?: readonly Line[] };
    const invariant = error instanceof Violation ? error.invariant : 'nothing is thrown';
    return { invariant, message: (error as Error).message, story: storyOf(schedule, lines) };
  }
}

const storyOf = (schedule: Schedule, lines: readonly Line[]): string =>
  [
    'The cast:',
    ...schedule.processes.map((plan, index) => `  ${'ABC'[index]}  ${JSON.stringify(plan)}`),
    'The faults:',
    ...schedule.faults.map(({ at, who, what }) => `  at ${at} ms: ${JSON.stringify(what)} ${who}`),
    'What happened:',
    ...lines.map(
      ({ at, who, text }) => `${at.toFixed(1).padStart(11)} ms  ${who.padEnd(9)} ${text}`,
    ),
  ].join('\n');
