/** The end of a term, always in this order: close gate → abort → drain → commit `ended` → free the seat. */
import {
  callFor,
  connect,
  coolFor,
  finish,
  first,
  reconnectControl,
  stay,
  withoutSeat,
} from './moves.ts';
import type { Effect, EndReason, Moment, Phase, State, Transition } from './protocol.ts';
import type { Rules } from './rules.ts';

export type Active = Extract<Phase, { is: 'active' }>;
export type Draining = Extract<Phase, { is: 'draining' }>;
type Releasing = Extract<Phase, { is: 'releasing' }>;

/** On purpose: the gate closes now, the seat stays ours and beats go on until the work has finished. */
export const leave = (
  state: State,
  phase: Active,
  reason: EndReason,
  isForced: boolean,
  now: Moment,
  rules: Rules,
): Transition =>
  stay(
    { ...state, phase: { ...ending(phase, reason, now, rules), isSeated: true, isForced } },
    { do: 'end-term', reason, cause: undefined },
  );

/** The seat, the lease or the trust in it is gone: the gate closes now and the socket is cut. */
export const lose = (
  state: State,
  phase: Active,
  reason: EndReason,
  cause: unknown,
  now: Moment,
  rules: Rules,
): Transition =>
  stay(
    {
      ...withoutSeat(state),
      phase: { ...ending(phase, reason, now, rules), isSeated: false, isForced: false },
    },
    { do: 'end-term', reason, cause },
    { do: 'destroy-seat' },
    // Silence on one connection is not likely to be the silence of that connection alone.
    ...(reason === 'deadline-passed' ? [reconnectControl] : []),
  );

const ending = (
  { token, trusted, nextBeatAt }: Active,
  reason: EndReason,
  now: Moment,
  rules: Rules,
): Omit<Draining, 'isSeated' | 'isForced'> => ({
  is: 'draining',
  token,
  trusted,
  nextBeatAt,
  reason,
  overrunsAt: now.mono + rules.drainTimeoutMs,
  hasOverrun: false,
  isDrained: false,
});

/** The seat was lost while work in flight was finishing; the work goes on finishing. */
export function unseat(state: State, phase: Draining, now: Moment, rules: Rules): Transition {
  const unseated = withoutSeatFor(state, phase);
  return phase.isDrained
    ? first(unseated.effects, conclude(unseated.state, phase, now, rules))
    : unseated;
}

const withoutSeatFor = (state: State, phase: Draining): Transition =>
  stay({ ...withoutSeat(state), phase: { ...phase, isSeated: false } }, { do: 'destroy-seat' });

export const force = (state: State, phase: Draining, isForced: boolean): Transition =>
  giveUpIfForced(state, { ...phase, isForced: phase.isForced || isForced });

/** Forced and overrun: the seat is given up without the mark, so the successor waits a lease. */
export function giveUpIfForced(state: State, phase: Draining): Transition {
  if (!phase.isForced || !phase.hasOverrun) return stay({ ...state, phase });
  const given = phase.isSeated ? withoutSeatFor(state, phase) : stay({ ...state, phase });
  const left: Effect[] = [{ do: 'left', token: phase.token, isLost: !phase.isSeated }];
  return stay(given.state, ...given.effects, ...left, ...(state.isWanted ? [] : [halt]));
}

const halt: Effect = { do: 'halt' };

/** All work in flight has finished; only now may anybody be told that this term is over. */
export function drained(state: State, now: Moment, rules: Rules): Transition {
  const { phase } = state;
  if (phase.is !== 'draining') return stay(state);
  if (!phase.isSeated) return conclude(state, phase, now, rules);
  // One statement at a time: the beat in flight is answered first, or its deadline passes.
  return state.call === undefined
    ? giveBack(state, phase, now, rules)
    : stay({ ...state, phase: { ...phase, isDrained: true } });
}

/** Drained, and the seat was lost on the way. */
function conclude(state: State, phase: Draining, now: Moment, rules: Rules): Transition {
  // After an overrun nothing is confessed: the lease runs out for whoever waits.
  const confession = phase.hasOverrun ? [] : [confess(phase, rules)];
  return first(
    [...confession, { do: 'left', token: phase.token, isLost: true }],
    state.isWanted ? connect(state, now, rules) : finish(state),
  );
}

export const giveBack = (
  state: State,
  { token, trusted, reason }: Pick<Releasing, 'token' | 'trusted' | 'reason'>,
  now: Moment,
  rules: Rules,
): Transition =>
  stay(
    {
      ...state,
      phase: { is: 'releasing', token, trusted, reason },
      call: callFor('release', now, rules.callTimeoutMs),
    },
    { do: 'release', token, reason },
  );

/** After the release, or when nobody knows whether it arrived. */
export function released(
  state: State,
  phase: Releasing,
  isMarked: boolean,
  now: Moment,
  rules: Rules,
): Transition {
  const confession = isMarked ? [] : [confess(phase, rules)];
  const control: Effect[] = phase.reason === 'server-shutdown' ? [reconnectControl] : [];
  // A pause before campaigning again: whoever waits shall have the seat, not we once more.
  const next = state.isWanted ? coolFor(state, now, rules.firstWaitMs) : finish(state);
  const left: Effect = { do: 'left', token: phase.token, isLost: false };
  return first([...confession, left, ...control], next);
}

const confess = (
  { token, reason, trusted }: Pick<Releasing, 'token' | 'reason' | 'trusted'>,
  rules: Rules,
): Effect => ({ do: 'confess', token, reason, until: trusted.mono + rules.ttlMs });
