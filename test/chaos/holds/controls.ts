import type { Details, Fault } from '../fault.ts';
import { heldWithoutSession } from '../faults/pauses.ts';
import type { HoldRunSettings } from './run.ts';
import { hasTold } from './verdict.ts';

/** The event loop of a host stands still for longer than its TTL, and everybody loses their sessions. */
const blockedBeyond = (by: 'crash' | 'terminate'): Fault => ({
  ...heldWithoutSession,
  id: `blocked-beyond-${by}`,
  draw: (luck, ttlMs): Details => ({
    ...heldWithoutSession.draw(luck, ttlMs),
    who: 'leader',
    forMs: Math.round(ttlMs * (by === 'crash' ? 0.9 : 1.5)),
    by,
    isBlocked: true,
  }),
});

/** Were nothing wrong without the lease either, a clean run would say nothing. */
export const trustingOf = (settings: HoldRunSettings, rounds: number): HoldRunSettings => ({
  ...controlOf(settings, rounds),
  faults: [blockedBeyond('terminate')],
  isTrusting: true,
});

/** Nor without the doubt after a crash: here everybody asks their lease, and it is the server that errs. */
export const forgetfulOf = (settings: HoldRunSettings, rounds: number): HoldRunSettings => ({
  ...controlOf(settings, rounds),
  // Time for the server to come back, and for others to get what it has forgotten, within one lease.
  ttlMs: 2.5 * settings.ttlMs,
  faults: [blockedBeyond('crash')],
  isForgetful: true,
});

const controlOf = ({ keep: _, ...settings }: HoldRunSettings, rounds: number): HoldRunSettings => ({
  ...settings,
  rounds,
  first: 1,
  kinds: settings.kinds.map(() => 'holder'),
  isEnough: hasTold,
});
