/** What cannot be had is tried again and again; that it fails is told, and not at every try. */
import { type Complained, complain, recover } from '../complaints.ts';
import { isLockdError, messageOf } from '../errors.ts';
import { reconnectWaitMs } from './backoff.ts';
import { coolFor, first, reconnectControl, settled, stay } from './moves.ts';
import type { Effect, Moment, State, Transition } from './protocol.ts';
import type { Rules } from './rules.ts';

/** The session could not be had or broke while nobody led through it. */
export function retreat(before: State, error: unknown, now: Moment, rules: Rules): Transition {
  const failures = before.failures + 1;
  const waitMs = reconnectWaitMs(failures, rules.reconnectMaxMs, now.random);
  const facts = { failures, nextWaitMs: Math.round(waitMs), reason: messageOf(error) };
  const complained = complain(before.complaints, error, failures, now.mono);
  const state: State = { ...before, failures, complaints: complained.complaints };
  // A server that lets nobody in waits for those who are in: for our control session, too. One without
  // a connection left has none for the seats as long as such sessions keep them all.
  // And where one connection was cut off in silence, the other one will not have fared better.
  const isDoubtful =
    isLockdError(error) && ['LOCKD_UNAVAILABLE', 'LOCKD_TIMEOUT'].includes(error.code);
  return first(
    [tell(complained, error, facts), ...(isDoubtful ? [reconnectControl] : [])],
    settled(coolFor(state, now, waitMs)),
  );
}

function tell({ code, isToTell, since }: Complained, error: unknown, facts: object): Effect {
  const message = 'could not campaign';
  if (!isToTell) return { do: 'log', level: 'debug', message, fields: { code, ...facts } };
  return { do: 'warn', code: 'LOCKD_CONNECTION', message, error, fields: { ...facts, ...since } };
}

/** An attempt was answered, or a term begins: it campaigns, and says so where it was said that it does not. */
export function advance(state: State): Transition {
  const { complaints, failures } = recover(state.complaints);
  const next: State = { ...state, failures: 0, complaints };
  return failures === 0
    ? stay(next)
    : stay(next, { do: 'log', level: 'info', message: 'campaigns again', fields: { failures } });
}
