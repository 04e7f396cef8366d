import { checkGame, type Found, type Wanted } from '../check.ts';
import type { Line } from '../world.ts';
import { play } from './play.ts';
import { type Schedule, schedules } from './schedule.ts';

/** As of leaders: the same way to play, of processes with resource locks. */
export const check = (wanted: Wanted): Promise<Found> =>
  checkGame({ schedules, play, storyOf }, wanted);

function storyOf(schedule: Schedule, lines: readonly Line[]): string {
  return [
    'The cast:',
    ...schedule.processes.map((plan, index) => `  ${'ABC'[index]}  ${JSON.stringify(plan)}`),
    'The faults:',
    ...schedule.faults.map(({ at, who, what }) => `  at ${at} ms: ${JSON.stringify(what)} ${who}`),
    'What happened:',
    ...lines.map(
      ({ at, who, text }) => `${at.toFixed(1).padStart(11)} ms  ${who.padEnd(9)} ${text}`,
    ),
  ].join('\n');
}
