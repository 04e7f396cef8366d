import { noComplaints } from '../complaints.ts';
import type { Call, Effect, Moment, State, Transition } from './protocol.ts';
import type { Rules } from './rules.ts';

/** The elementary moves that every part of the machine is made of. */

export const stay = (state: State, ...effects: Effect[]): Transition => ({ state, effects });

/** Adds what has to be done before or after to a transition. */
export const first = (effects: readonly Effect[], next: Transition): Transition => ({
  state: next.state,
  effects: [...effects, ...next.effects],
});

export const callFor = (kind: Call['kind'], now: Moment, boundMs: number): Call => ({
  kind,
  sent: { mono: now.mono, boot: now.boot },
  until: now.mono + boundMs,
});

/** From here on nothing the current seat session says is heard. */
export const withoutSeat = (state: State): State => ({
  ...state,
  seat: state.seat + 1,
  call: undefined,
});

export function connect(state: State, now: Moment, rules: Rules): Transition {
  const next = withoutSeat(state);
  return stay(
    {
      ...next,
      phase: { is: 'connecting' },
      call: callFor('connect', now, rules.connectTimeoutMs),
    },
    { do: 'open-seat', seat: next.seat },
  );
}

export const coolFor = (state: State, now: Moment, waitMs: number): Transition =>
  stay(
    { ...withoutSeat(state), phase: { is: 'cooling', until: now.mono + waitMs } },
    { do: 'destroy-seat' },
  );

export const reconnectControl: Effect = { do: 'reconnect-control' };

/** Answers start(), once. */
export const settled = ({ state, effects }: Transition, error?: unknown): Transition =>
  state.isSettled
    ? { state, effects }
    : {
        state: { ...state, isSettled: true },
        effects: [...effects, error === undefined ? { do: 'settle' } : { do: 'settle', error }],
      };

/** Nothing is held and nothing runs: answers stop(). */
export const finish = (state: State): Transition =>
  stay(
    { ...withoutSeat(state), phase: { is: 'stopped' }, isWanted: false, complaints: noComplaints },
    { do: 'destroy-seat' },
    { do: 'halt' },
  );
