/** ACTIVE: from a takeover that is acknowledged from beat to beat, also while work is finishing. */
import type { Instant } from '../clock.ts';
import type { BidAnswer } from '../store.ts';
import { type Active, type Draining, giveBack, giveUpIfForced, lose, unseat } from './leaving.ts';
import { callFor, first, stay } from './moves.ts';
import type { Call, Effect, Moment, State, Transition } from './protocol.ts';
import type { Rules } from './rules.ts';

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
  { token, gapMs }: Extract<BidAnswer, { outcome: 'taken' }>,
  trusted: Instant,
  now: Moment,
  rules: Rules,
): Transition {
  const state: State = {
    ...before,
    attempt: 0,
    observed: undefined,
    sighting: undefined,
    seen: undefined,
    yielding: undefined,
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
    { do: 'open-gate', token, gapMs },
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
