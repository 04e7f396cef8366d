/** ACTIVE and its end: beats, leaving, losing, draining, giving the seat back. */
import type { Instant } from '../clock.ts';
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
import type { Call, Effect, EndReason, Moment, Phase, State, Transition } from './protocol.ts';
import type { Rules } from './rules.ts';

type Active = Extract<Phase, { is: 'active' }>;
type Draining = Extract<Phase, { is: 'draining' }>;
type Releasing = Extract<Phase, { is: 'releasing' }>;

/** Until when a holder may act on its last acknowledged beat, on each clock. */
export const trustedUntil = (trusted: Instant, rules: Rules): Instant => ({
  mono: trusted.mono + rules.ttlMs - rules.marginMs,
  boot: trusted.boot + rules.ttlMs - rules.marginMs,
});

export const isTrusted = (trusted: Instant, now: Instant, rules: Rules): boolean => {
  const until = trustedUntil(trusted, rules);
  return now.mono < until.mono && now.boot < until.boot;
};

const vouchFor = (token: bigint, trusted: Instant, rules: Rules): Effect => ({
  do: 'vouch',
  token,
  until: trusted.mono + rules.ttlMs,
});

/** A heartbeat after the last beat was sent, by whichever clock has seen more time go by since. */
const nextBeatAt = (sent: Instant, now: Instant, rules: Rules): number => {
  const elapsed = Math.max(now.mono - sent.mono, now.boot - sent.boot);
  return now.mono + Math.max(0, rules.heartbeatMs - elapsed);
};

/** The takeover is acknowledged: lead, unless the answer is too late or nobody wants it any more. */
export function takeOffice(
  before: State,
  token: bigint,
  trusted: Instant,
  now: Moment,
  rules: Rules,
): Transition {
  const state: State = {
    ...before,
    attempt: 0,
    observed: undefined,
    sighting: undefined,
    notedAt: Number.NEGATIVE_INFINITY,
    highestToken: token > before.highestToken ? token : before.highestToken,
  };
  if (before.phase.is === 'taking' && before.phase.isClosing) {
    return giveBack(state, { token, trusted, reason: 'server-shutdown' }, now, rules);
  }
  if (!state.isWanted) return giveBack(state, { token, trusted, reason: 'stopped' }, now, rules);
  if (!isTrusted(trusted, now, rules)) {
    return giveBack(state, { token, trusted, reason: 'deadline-passed' }, now, rules);
  }
  return stay(
    {
      ...state,
      phase: {
        is: 'active',
        token,
        trusted,
        nextBeatAt: nextBeatAt(trusted, now, rules),
        nextProbeAt: now.mono + rules.ttlMs,
      },
    },
    vouchFor(token, trusted, rules),
    { do: 'open-gate', token },
  );
}

export function tickActive(state: State, phase: Active, now: Moment, rules: Rules): Transition {
  const isProbeDue = now.mono >= phase.nextProbeAt;
  const next: Active = isProbeDue ? { ...phase, nextProbeAt: now.mono + rules.ttlMs } : phase;
  return first(isProbeDue ? [{ do: 'probe' }] : [], beatIfDue(state, next, now, rules));
}

export function tickDraining(state: State, phase: Draining, now: Moment, rules: Rules): Transition {
  if (!phase.hasOverrun && !phase.isDrained && now.mono >= phase.overrunsAt) {
    const warning: Effect = {
      do: 'warn',
      code: 'LOCKD_DRAIN_OVERRUN',
      message: 'drain overruns: work does not heed its abort signal',
      fields: {
        token: phase.token,
        drainTimeoutMs: rules.drainTimeoutMs,
        seatKept: phase.isSeated,
      },
    };
    return first([warning], giveUpIfForced(state, { ...phase, hasOverrun: true }));
  }
  return phase.isSeated ? beatIfDue(state, phase, now, rules) : stay(state);
}

function beatIfDue(state: State, phase: Active | Draining, now: Moment, rules: Rules): Transition {
  if (now.mono < phase.nextBeatAt) return stay({ ...state, phase });
  const next = { ...phase, nextBeatAt: now.mono + rules.heartbeatMs };
  if (state.call !== undefined) return stay({ ...state, phase: next });
  // Until the local deadline and no shorter: cutting a slow beat off early could only lose the term.
  const leftMs = trustedUntil(phase.trusted, rules).mono - now.mono;
  return stay(
    {
      ...state,
      phase: next,
      call: callFor('beat', now, leftMs),
    },
    { do: 'beat', token: phase.token },
  );
}

export function beaten(
  state: State,
  isKept: boolean,
  call: Call | undefined,
  now: Moment,
  rules: Rules,
): Transition {
  const { phase } = state;
  if (call === undefined || (phase.is !== 'active' && phase.is !== 'draining')) return stay(state);
  if (isKept) {
    const { sent } = call;
    const next = { ...phase, trusted: sent, nextBeatAt: nextBeatAt(sent, now, rules) };
    const vouch = vouchFor(phase.token, sent, rules);
    return first(
      [vouch],
      next.is === 'draining' && next.isDrained
        ? giveBack(state, next, now, rules)
        : beatIfDue(state, next, now, rules),
    );
  }
  return phase.is === 'active'
    ? lose(state, phase, 'lease-lost', undefined, now, rules)
    : unseat(state, phase, now, rules);
}

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
function giveUpIfForced(state: State, phase: Draining): Transition {
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
