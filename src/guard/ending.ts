import { systemClock } from '../core/clock.ts';
import { askGroup, type Group, groupGone, signalGroup } from './group.ts';

export interface EndingOptions {
  /** The first one the group sees. */
  readonly signal: NodeJS.Signals;
  /** Between that and KILL, when there is time. */
  readonly graceMs: number;
  /** How long until the KILL at the latest, as things stand: beats may still move the end of the lease. */
  readonly killInMs: () => number;
  /** Resolves when the leader has been reaped, where that is for us to do. */
  readonly exited?: Promise<unknown>;
  readonly killed: () => void;
}

export interface Ending {
  /** Nobody of the group is left. */
  readonly gone: Promise<void>;
  /** No more grace. */
  hurry(): void;
}

/** Looked at now and then: the end of the lease moves, and a suspend stops timers. */
const lookEveryMs = 250;

/** TERM, grace, KILL; the KILL falls before the lease can be anybody else's. */
export function endGroup(group: Group, options: EndingOptions): Ending {
  const { signal, graceMs, killInMs, exited, killed } = options;
  const graceEndsAt = systemClock.mono() + graceMs;
  let isOver = false;
  let cancel = (): void => {};
  const killNow = (): void => {
    cancel();
    if (isOver) return;
    signalGroup(group, 'SIGKILL');
    killed();
  };
  const killWhenDue = (): void => {
    const now = systemClock.mono();
    const dueInMs = Math.min(graceEndsAt - now, killInMs());
    if (dueInMs <= 0) killNow();
    else cancel = systemClock.setTimer(now + Math.min(dueInMs, lookEveryMs), killWhenDue);
  };
  askGroup(group, signal);
  killWhenDue();
  const gone = groupGone(group, exited).finally(() => {
    isOver = true;
    cancel();
  });
  return { gone, hurry: killNow };
}
