/** What the demo prints: a timeline while it plays, in plain words, and the verdict. */
import { styleText } from 'node:util';
import { systemClock } from '../../core/clock.ts';
import type { Verdict } from '../../postgres/demo-items.ts';
import { table } from '../output.ts';
import type { LogLine } from './instance.ts';
import type { Act } from './play.ts';

export class Timeline {
  readonly #print: (text: string) => void;
  readonly #startedAt = systemClock.mono();

  constructor(print: (text: string) => void) {
    this.#print = print;
  }

  text(...lines: string[]): void {
    for (const line of lines) this.#print(line);
  }

  /** With the seconds since the beginning. */
  say(text: string): void {
    const seconds = (systemClock.mono() - this.#startedAt) / 1000;
    this.#print(`${seconds.toFixed(2).padStart(6)} s  ${text}`);
  }

  act(title: string): void {
    this.text('', styled('bold', title));
  }

  /** A log line of an instance, in fewer words; most are not worth it. */
  log(label: string, { msg, token, waitMs }: LogLine): void {
    const said: Record<string, string> = {
      'became active': `${label} leads now (token ${token}) and starts its worker`,
      'became passive': `${label} leads no more`,
      drained: `${label}'s worker has ended`,
      'let the seat go': `${label} has let the lock go`,
      'won the seat, waits for the old lease to run out': `${label} has the lock, and gives the old lease ${waitMs} ms to run out, in case its holder still works`,
      'the supervisor is silent, ends the command': `${label}'s guard sees that ${label} is silent: it ends the worker before the lease is over`,
      'killed the supervisor': `${label}'s guard has killed what was frozen`,
      'killed the command and the supervisor': `${label}'s guard has killed what was frozen`,
      'the supervisor died': `${label}'s guard sees that ${label} died`,
      testified: `${label}'s guard testifies: nothing of ${label} works any more`,
    };
    const text = said[msg];
    if (text !== undefined) this.say(`  ${text}`);
  }

  verdict(acts: readonly Act[], verdict: Verdict, isClean: boolean): void {
    const { processed, twice, cutInHalf, lost, outOfTurn, interrupted } = verdict;
    const rows = acts.map(({ act, activeMs, gapMs }) => [act, ms(activeMs), ms(gapMs)]);
    this.text(
      '',
      styled('bold', 'How long it took'),
      table(['', 'next one led after', 'no work was done for'], rows),
      'The second includes the start of the next worker, a process that has to connect first. In the',
      'freeze the old worker was at work until its guard ended it.',
      '',
      styled('bold', 'What the table says'),
      `${processed} items were processed, ${interrupted} of them by the next leader after the first one was ended in the middle`,
      `${twice} processed twice`,
      `${cutInHalf} cut in half`,
      `${lost} lost`,
      `${outOfTurn} touched by a leader that had been replaced`,
      '',
      isClean
        ? styled('green', 'Exactly one worked at a time, and nothing was lost.')
        : styled('red', 'This must not happen: please report it.'),
    );
  }
}

/** For one act, in its own words. */
export function outcome(successor: string, { activeMs, gapMs }: Act): string {
  return `→ ${successor} led ${ms(activeMs)} after that; no work was done for ${ms(gapMs)}`;
}

const ms = (value: number): string => `${Math.round(value)} ms`;

/** Plain where nobody looks, or nobody wants it. */
function styled(style: 'bold' | 'green' | 'red', text: string): string {
  const isPlain = process.stdout.isTTY !== true || (process.env['NO_COLOR'] ?? '') !== '';
  return isPlain ? text : styleText(style, text);
}
