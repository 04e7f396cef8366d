/** PASSIVE: from a session to the seat, from the seat to a term. */

import { noteEveryMs } from '../complaints.ts';
import type { AttemptAnswer, BidAnswer, Notice } from '../store.ts';
import { attemptWaitMs } from './backoff.ts';
import { inherit, type Lease } from './lease.ts';
import { callFor, finish, first, settled, stay } from './moves.ts';
import type { Call, Effect, Moment, Phase, State, Transition } from './protocol.ts';
import { advance } from './retreat.ts';
import type { Rules } from './rules.ts';
import { seenIn } from './standing.ts';
import { takeOffice } from './tenure.ts';

type Inheriting = Extract<Phase, { is: 'inheriting' }>;

/** One attempt: stand in the server's queue for a bounded time. */
export function campaign(
  state: State,
  lease: Lease | undefined,
  now: Moment,
  rules: Rules,
): Transition {
  const attempt = state.attempt + 1;
  const waitMs = attemptWaitMs(attempt, lease, rules, now.random);
  const isNoteworthy = now.mono - state.notedAt >= noteEveryMs;
  return stay(
    {
      ...state,
      phase: { is: 'campaigning', isStale: false },
      attempt,
      notedAt: isNoteworthy ? now.mono : state.notedAt,
      call: callFor('attempt', now, waitMs + rules.callTimeoutMs),
    },
    { do: 'attempt', waitMs, yieldedMs: yieldedMs(state, lease, now) },
    { do: 'tell-attempt', attempt, waitMs },
    {
      do: 'log',
      level: isNoteworthy ? 'info' : 'debug',
      message: 'waits for the seat',
      fields: { attempt, nextWaitMs: waitMs, leader: lease?.label, token: lease?.token },
    },
  );
}

export function attempted(
  state: State,
  { isGranted, isYielded = false, lease }: AttemptAnswer,
  now: Moment,
  rules: Rules,
): Transition {
  const seen = see(state, lease, now, rules);
  if (!isGranted) {
    // A grant does not count: where no takeover succeeds, each new session would have one, in a circle.
    const well = advance(isYielded ? giveWay(seen.state, lease, now) : seen.state);
    return first(
      [...seen.effects, ...well.effects],
      settled(campaign(well.state, lease, now, rules)),
    );
  }
  const isStale = state.phase.is === 'campaigning' && state.phase.isStale;
  return first(seen.effects, consider(seen.state, lease, now.mono, isStale, now, rules));
}

/** For how long one gives way is counted for each term that ends, on our own clock. */
const giveWay = (state: State, { token }: Lease, now: Moment): State =>
  state.yielding?.token === token ? state : { ...state, yielding: { token, since: now.mono } };

const yieldedMs = ({ yielding }: State, lease: Lease | undefined, now: Moment): number =>
  yielding !== undefined && (lease === undefined || lease.token === yielding.token)
    ? now.mono - yielding.since
    : 0;

/** Learning of a beat starts its TTL anew on our clock: it had been sent before we learned of it. */
function see(state: State, lease: Lease, now: Moment, rules: Rules): Transition {
  const { sighting } = state;
  const isNew =
    sighting === undefined || lease.token !== sighting.token || lease.beat > sighting.beat;
  const next: State = {
    ...state,
    sighting: isNew ? { token: lease.token, beat: lease.beat, at: now.mono } : sighting,
    seen: isNew || lease.isEnded ? seenIn(lease, now.mono) : state.seen,
    highestToken: lease.token > state.highestToken ? lease.token : state.highestToken,
  };
  const isOurs = lease.instance === rules.instance;
  if (lease.isEnded || isOurs || lease.token === 0n || lease.token === state.observed) {
    return stay(next);
  }
  return stay({ ...next, observed: lease.token }, { do: 'observe', lease });
}

/**
 * What was told while the row was on its way is newer than it: a reason to read it once more, but
 * not to put a bid off, or whoever goes on notifying would keep everybody from leading.
 */
function consider(
  state: State,
  lease: Lease,
  grantedAt: number,
  isStale: boolean,
  now: Moment,
  rules: Rules,
): Transition {
  const decided = decide(state, lease, grantedAt, now, rules);
  if (!isStale || decided.state.phase.is !== 'inheriting') return decided;
  return first(decided.effects, read(decided.state, grantedAt, now, rules));
}

/** Holding the seat: start now, or wait until the predecessor's trust has run out. */
function decide(
  state: State,
  lease: Lease,
  grantedAt: number,
  now: Moment,
  rules: Rules,
): Transition {
  const { startAt, ground } = inherit(lease, {
    instance: rules.instance,
    ttlMs: rules.ttlMs,
    takeover: rules.takeover,
    grantedAt,
    sighting: state.sighting,
    highestToken: state.highestToken,
  });
  const known: State = {
    ...state,
    highestToken: lease.token > state.highestToken ? lease.token : state.highestToken,
  };
  if (startAt <= now.mono) return bid(known, lease, grantedAt, now, rules);
  const phase: Phase = {
    is: 'inheriting',
    grantedAt,
    startAt,
    lease,
    readAt: now.mono + readEveryMs(rules),
    isStale: false,
  };
  if (state.phase.is !== 'campaigning') return settled(stay({ ...known, phase }));
  return settled(
    stay(
      { ...known, phase },
      {
        do: 'log',
        level: 'info',
        message: 'won the seat, waits for the old lease to run out',
        fields: {
          ground,
          waitMs: Math.ceil(startAt - now.mono),
          predecessor: lease.label,
          token: lease.token,
        },
      },
    ),
  );
}

// Often enough to hear of a lost notice soon and to keep the server's idle timer from firing.
const readEveryMs = (rules: Rules): number => Math.min(1000, rules.heartbeatMs / 3);

/** The row once more, with the seat in hand; what it says decides anew. */
export function read(state: State, grantedAt: number, now: Moment, rules: Rules): Transition {
  const { phase } = state;
  const waiting: Phase =
    phase.is === 'inheriting'
      ? { ...phase, isStale: false }
      : {
          is: 'inheriting',
          grantedAt,
          startAt: Number.POSITIVE_INFINITY,
          lease: undefined,
          readAt: Number.POSITIVE_INFINITY,
          isStale: false,
        };
  return stay(
    { ...state, phase: waiting, call: callFor('read', now, rules.callTimeoutMs) },
    { do: 'read' },
  );
}

export function wasRead(state: State, lease: Lease, now: Moment, rules: Rules): Transition {
  const { phase } = state;
  if (phase.is !== 'inheriting') return stay(state);
  return consider(state, lease, phase.grantedAt, phase.isStale, now, rules);
}

export function wait(state: State, phase: Inheriting, now: Moment, rules: Rules): Transition {
  if (state.call !== undefined) return stay(state);
  if (phase.lease !== undefined && now.mono >= phase.startAt) {
    return bid(state, phase.lease, phase.grantedAt, now, rules);
  }
  return now.mono >= phase.readAt ? read(state, phase.grantedAt, now, rules) : stay(state);
}

/**
 * Something was told about the name. Never proof: a reason to look now. Told that the very term we
 * wait for has ended we bid as if the row said so: the compare-and-set fails unless it does.
 */
export function noticed(told: State, notice: Notice, now: Moment, rules: Rules): Transition {
  const { phase, call } = told;
  const isOver = notice.kind === 'ended' || notice.kind === 'released';
  const state = isOver && notice.token === told.seen?.token ? { ...told, seen: undefined } : told;
  if (phase.is === 'campaigning') return stay({ ...state, phase: { ...phase, isStale: true } });
  if (phase.is !== 'inheriting') return stay(state);
  if (call !== undefined) return stay({ ...state, phase: { ...phase, isStale: true } });
  const { lease, grantedAt } = phase;
  if (notice.kind === 'ended' && lease !== undefined && notice.token === lease.token) {
    const claimed = decide(state, { ...lease, isEnded: true }, grantedAt, now, rules);
    if (claimed.state.phase.is === 'taking') return claimed;
  }
  return read(state, grantedAt, now, rules);
}

function bid(state: State, lease: Lease, grantedAt: number, now: Moment, rules: Rules): Transition {
  const waitMs = Math.floor(rules.ttlMs / 5);
  return stay(
    {
      ...state,
      phase: { is: 'taking', grantedAt, isClosing: false },
      call: callFor('takeover', now, waitMs + rules.callTimeoutMs),
    },
    {
      do: 'takeover',
      bid: {
        token: lease.token,
        beat: lease.beat,
        isEnded: lease.isEnded,
        highestToken: state.highestToken,
        waitMs,
      },
    },
  );
}

export function bidAnswered(
  state: State,
  answer: BidAnswer,
  call: Call | undefined,
  now: Moment,
  rules: Rules,
): Transition {
  const { phase } = state;
  if (phase.is !== 'taking' || call === undefined) return stay(state);
  if (answer.outcome === 'taken') {
    const well = advance(state);
    return first(well.effects, settled(takeOffice(well.state, answer, call.sent, now, rules)));
  }
  if (!state.isWanted) return finish(state);
  if (answer.outcome === 'changed') return read(state, phase.grantedAt, now, rules);
  const warning: Effect = {
    do: 'warn',
    code: 'LOCKD_FENCE_BLOCKED',
    message: 'takeover is held up by fenced transactions',
    fields: { blockers: answer.blockers },
  };
  if (rules.blockers === 'report' || answer.blockers.length === 0) {
    return first([warning], settled(read(state, phase.grantedAt, now, rules)));
  }
  return settled(
    stay({ ...state, call: callFor('terminate', now, rules.callTimeoutMs) }, warning, {
      do: 'terminate-blockers',
    }),
  );
}
