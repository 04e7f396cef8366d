/**
 * The machine: `(state, event, moment) → state + effects`. Pure; the one place where state changes.
 *
 *            start                   granted              wait over           taken
 *   stopped ──────► connecting ─► campaigning ──► inheriting ────────► taking ─────► ACTIVE
 *      ▲             ▲   │ broken   │ ▲ busy                              (gate open) │  │
 *      │             │   ▼          └─┘                              stop, resign     │  │ lost
 *      │           cooling                                           ┌────────────────┘  │
 *      │             ▲                                               ▼                   ▼
 *      │             │                       drained       draining, seat held   draining, no seat
 *      └─────────────┴──────── releasing ◄─────────────────────┘                         │ drained
 *      ▲             ▲                                                                   │
 *      └─────────────┴──────────────────────── confess ◄─────────────────────────────────┘
 *
 * Why at most one gate is open at any instant:
 *
 *  1. A leader trusts itself until `trusted + TTL − margin`, where `trusted` was read from its
 *     clocks BEFORE the last acknowledged beat (or takeover) was sent: a slow answer is worth less,
 *     never more. Both clocks must agree; `isActive()` compares at call time, timers come second.
 *  2. A successor starts only when the row says that the old token has ended, or when the old TTL
 *     (the row's, not its own) has run out on its own monotonic clock, counted from a moment at
 *     which it knew the old leader's last beat, which had been sent before. So the old deadline lies
 *     before the new start by the margin, while the two clocks tick alike within 1 %.
 *  3. `ended` is said only by who knows that the work has stopped: the holder after its drain
 *     (release), a holder that lost and has drained (confession), a guard that saw it die
 *     (testimony).
 *  4. A takeover is a compare-and-set from the row its decision was based on, and a beat one on the
 *     token, each by the backend that holds the seat. So a late beat and a takeover exclude each
 *     other, and a late takeover finds another row. What a notice claims can be bid on for the same
 *     reason: a row that does not say so refuses.
 *  5. The seat alone proves nothing: a server frees it early on a restart, a terminate, a reset or a
 *     clock step. It says who is next, wakes it at once, and keeps everyone else out of the way.
 *
 * Leaving, always in this order: close gate → abort → drain → commit `ended` → free the seat.
 * A term never resumes; the first reason it ended for is the reason. Doubt means not leader.
 */
import type { Instant } from '../clock.ts';
import { noComplaints } from '../complaints.ts';
import { isLockdError, LockdError } from '../errors.ts';
import { attempted, bidAnswered, campaign, noticed, read, wait, wasRead } from './campaign.ts';
import { drained, force, leave, lose, released, unseat } from './leaving.ts';
import { connect, coolFor, finish, first, reconnectControl, settled, stay } from './moves.ts';
import type { Call, Event, Moment, SeatEvent, State, Transition } from './protocol.ts';
import { retreat } from './retreat.ts';
import type { Rules } from './rules.ts';
import { beaten, isTrusted, tickActive, tickDraining, trustedUntil } from './tenure.ts';

export const initialState: State = {
  phase: { is: 'stopped' },
  isWanted: false,
  isSettled: false,
  seat: 0,
  call: undefined,
  attempt: 0,
  failures: 0,
  complaints: noComplaints,
  sighting: undefined,
  seen: undefined,
  yielding: undefined,
  highestToken: 0n,
  observed: undefined,
  notedAt: Number.NEGATIVE_INFINITY,
};

export function step(state: State, event: Event, now: Moment, rules: Rules): Transition {
  // Time comes before the news: an answer that arrives after the deadline revives nothing.
  const expired = expire(state, now, rules);
  return first(expired.effects, handle(expired.state, event, now, rules));
}

/** When the machine wants its next tick (monotonic ms), if nothing happens after `now`. */
export function wakeAt(state: State, rules: Rules, now: Instant): number {
  const { phase, call } = state;
  const times = [call?.until ?? Number.POSITIVE_INFINITY];
  if (phase.is === 'cooling') times.push(phase.until);
  if (phase.is === 'inheriting' && call === undefined) times.push(phase.readAt, phase.startAt);
  if (phase.is === 'active') times.push(phase.nextProbeAt);
  if (phase.is === 'draining' && !phase.hasOverrun && !phase.isDrained) {
    times.push(phase.overrunsAt);
  }
  if (phase.is === 'active' || (phase.is === 'draining' && phase.isSeated)) {
    const until = trustedUntil(phase.trusted, rules);
    // Each beat's time, sent or not, is a look at the boot-time clock, which has no timers.
    times.push(until.mono, now.mono + until.boot - now.boot, phase.nextBeatAt);
  }
  return Math.min(...times);
}

function expire(state: State, now: Moment, rules: Rules): Transition {
  const { phase } = state;
  if (phase.is !== 'active' && phase.is !== 'draining') return stay(state);
  if (isTrusted(phase.trusted, now, rules)) return stay(state);
  if (phase.is === 'active') return lose(state, phase, 'deadline-passed', undefined, now, rules);
  return phase.isSeated ? unseat(state, phase, now, rules) : stay(state);
}

function handle(state: State, event: Event, now: Moment, rules: Rules): Transition {
  if ('seat' in event) {
    return event.seat === state.seat ? hear(state, event, now, rules) : stay(state);
  }
  const { phase } = state;
  switch (event.is) {
    case 'start': {
      const wanted: State = { ...state, isWanted: true, isSettled: false };
      return phase.is === 'stopped' ? connect(wanted, now, rules) : stay(wanted);
    }
    case 'stop':
      return stop({ ...state, isWanted: false }, event.isForced, now, rules);
    case 'resign':
      if (phase.is === 'active') return leave(state, phase, 'resigned', event.isForced, now, rules);
      return phase.is === 'draining' ? force(state, phase, event.isForced) : stay(state);
    case 'tick':
      return tick(state, now, rules);
    case 'drained':
      return drained(state, now, rules);
    case 'noticed': {
      const { kind, token, reason } = event.notice;
      const isOurs = phase.is === 'active' && token === phase.token;
      if (isOurs && kind === 'resign') {
        const why = reason === 'handed-over' ? reason : 'resigned';
        return leave(state, phase, why, false, now, rules);
      }
      const heard = noticed(state, event.notice, now, rules);
      return reason === 'server-shutdown' && !isOurs
        ? { ...heard, effects: [...heard.effects, { do: 'probe' }] }
        : heard;
    }
    case 'probed':
      return event.health === 'shutting-down' ? makeWay(state, now, rules) : stay(state);
  }
}

function hear(state: State, event: SeatEvent, now: Moment, rules: Rules): Transition {
  const { call, phase } = state;
  const free: State = { ...state, call: undefined };
  switch (event.is) {
    case 'opened':
      return campaign({ ...free, attempt: 0 }, undefined, now, rules);
    case 'broken':
      return broken(state, event.error, now, rules);
    case 'attempted':
      return attempted(free, event.answer, now, rules);
    case 'read':
      return wasRead(free, event.lease, now, rules);
    case 'bid':
      return bidAnswered(free, event.answer, call, now, rules);
    case 'terminated':
      if (phase.is !== 'taking') return stay(free);
      return state.isWanted ? read(free, phase.grantedAt, now, rules) : finish(free);
    case 'beaten':
      return beaten(free, event.isKept, call, now, rules);
    case 'released':
      return phase.is === 'releasing'
        ? released(free, phase, event.isMarked, now, rules)
        : stay(free);
  }
}

function stop(state: State, isForced: boolean, now: Moment, rules: Rules): Transition {
  const { phase } = state;
  switch (phase.is) {
    case 'active':
      return leave(state, phase, 'stopped', isForced, now, rules);
    case 'draining':
      return force(state, phase, isForced);
    case 'taking': // only the answer knows whether there is a lease to give back
    case 'releasing':
      return stay(state);
    default:
      return finish(state);
  }
}

function tick(state: State, now: Moment, rules: Rules): Transition {
  const { phase, call } = state;
  // A beat's bound is the deadline itself, and `expire` has looked at that.
  if (call !== undefined && call.kind !== 'beat' && now.mono >= call.until) {
    return broken(state, unanswered(call), now, rules);
  }
  switch (phase.is) {
    case 'cooling':
      return now.mono >= phase.until ? connect(state, now, rules) : stay(state);
    case 'inheriting':
      return wait(state, phase, now, rules);
    case 'active':
      return tickActive(state, phase, now, rules);
    case 'draining':
      return tickDraining(state, phase, now, rules);
    default:
      return stay(state);
  }
}

const unanswered = (call: Call): LockdError =>
  new LockdError(
    'LOCKD_TIMEOUT',
    `The server did not answer \`${call.kind}\` within ${Math.round(call.until - call.sent.mono)} ms; the connection was cut.`,
    { isRetryable: true },
  );

/** The seat session failed: nothing it was asked is known to have happened, or not to have. */
function broken(state: State, error: unknown, now: Moment, rules: Rules): Transition {
  const { phase } = state;
  switch (phase.is) {
    case 'active':
      return lose(state, phase, 'session-lost', error, now, rules);
    case 'draining':
      return phase.isSeated ? unseat(state, phase, now, rules) : stay(state);
    case 'releasing':
      return released(state, phase, false, now, rules);
    case 'stopped':
    case 'cooling':
      return stay(state);
    default:
      if (!state.isWanted) return finish(state);
      if (!state.isSettled && isLockdError(error) && !error.isRetryable) {
        return first([{ do: 'settle', error }], finish({ ...state, isSettled: true }));
      }
      return retreat(state, error, now, rules);
  }
}

/** The server is shutting down: sessions that stay would hold the shutdown up. */
function makeWay(state: State, now: Moment, rules: Rules): Transition {
  const { phase } = state;
  switch (phase.is) {
    case 'active':
      return leave(state, phase, 'server-shutdown', false, now, rules);
    case 'taking':
      return stay({ ...state, phase: { ...phase, isClosing: true } });
    case 'campaigning':
    case 'inheriting':
      return first(
        [
          { do: 'log', level: 'info', message: 'made way for the server shutting down' },
          reconnectControl,
        ],
        settled(coolFor({ ...state, failures: state.failures + 1 }, now, rules.reconnectMaxMs)),
      );
    default:
      return stay(state);
  }
}
