import fc from 'fast-check';
import { play } from './play.ts';
import { schedules } from './schedule.ts';
import { storyOf } from './story.ts';
import { Tally } from './tally.ts';
import { type Line, Violation } from './world.ts';

export interface Wanted {
  readonly runs: number;
  readonly seed: number;
  /** Where fast-check's shrinking had arrived. */
  readonly path?: string | undefined;
  readonly endOnFailure?: boolean;
}

export interface Found {
  readonly tally: Tally;
  readonly runs: number;
  readonly seconds: number;
  readonly virtualHours: number;
  readonly failure: Failure | undefined;
}

export interface Failure {
  readonly invariant: string;
  readonly message: string;
  readonly seed: number;
  readonly path: string;
  readonly story: string;
  readonly runs: number;
}

/** What is played, and how it is told. */
export interface Game<Schedule> {
  readonly schedules: fc.Arbitrary<Schedule>;
  readonly play: (
    schedule: Schedule,
    options?: { readonly isTold: boolean },
  ) => Promise<{
    readonly tally: Tally;
    readonly virtualMs: number;
    readonly lines: readonly Line[];
  }>;
  readonly storyOf: (schedule: Schedule, lines: readonly Line[]) => string;
}

export const check = (wanted: Wanted): Promise<Found> =>
  checkGame({ schedules, play, storyOf }, wanted);

/** Plays schedules from a seed until one breaks a promise; fast-check shrinks that one. */
export async function checkGame<Schedule>(
  game: Game<Schedule>,
  { runs, seed, path, endOnFailure = false }: Wanted,
): Promise<Found> {
  const tally = new Tally();
  const began = performance.now();
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0; // a tenth of the time, and the story says more
  let virtualMs = 0;
  let played = 0;
  const property = fc.asyncProperty(game.schedules, async (schedule) => {
    played += 1;
    const outcome = await game.play(schedule);
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
    ...(await told(game, failing)),
    seed,
    path: details.counterexamplePath ?? '',
    runs: details.numRuns,
  };
  const seconds = (performance.now() - began) / 1000;
  return { tally, runs: played, seconds, virtualHours: virtualMs / 3_600_000, failure };
}

/** Plays it once more, this time with somebody who takes notes. */
async function told<Schedule>(
  { play: playAgain, storyOf: story }: Game<Schedule>,
  schedule: Schedule,
): Promise<Pick<Failure, 'invariant' | 'message' | 'story'>> {
  try {
    const { lines } = await playAgain(schedule, { isTold: true });
    return { invariant: 'none', message: 'no promise was broken', story: story(schedule, lines) };
  } catch (error) {
    const { lines = [] } = error as { lines?: readonly Line[] };
    const invariant = error instanceof Violation ? error.invariant : 'nothing is thrown';
    return { invariant, message: (error as Error).message, story: story(schedule, lines) };
  }
}
