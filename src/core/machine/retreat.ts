/** What cannot be had is tried again and again; that it fails is told, and not at every try. */
import { isLockdError, messageOf } from '../errors.ts';
import { reconnectWaitMs } from './backoff.ts';
import { coolFor, first, reconnectControl, settled, stay } from './moves.ts';
import type { Effect, Moment, State, Transition } from './protocol.ts';
import type { Rules } from './rules.ts';

/** What goes on and on is told this often; each time of it at `debug`. */
export const noteEveryMs = 60_000;

/** The session could not be had or broke while nobody led through it. */
export function retreat(state: State, error: unknown, now: Moment, rules: Rules): Transition {
  const failures = state.failures + 1;
  const waitMs = reconnectWaitMs(failures, rules.reconnectMaxMs, now.random);
  const fields = { failures, nextWaitMs: Math.round(waitMs), reason: messageOf(error) };
  const complained = complain({ ...state, failures }, error, fields, now);
  // A server that lets nobody in waits for those who are in: for our control session, too. One without
  // a connection left has none for the seats as long as such sessions keep them all.
  // And where one connection was cut off in silence, the other one will not have fared better.
  const isDoubtful =
    isLockdError(error) && ['LOCKD_UNAVAILABLE', 'LOCKD_TIMEOUT'].includes(error.code);
  return first(
    [...complained.effects, ...(isDoubtful ? [reconnectControl] : [])],
    settled(coolFor(complained.state, now, waitMs)),
  );
}

/** At once where it is news, else about once a minute: by then the first line has scrolled away. */
function complain(state: State, error: unknown, facts: object, now: Moment): Transition {
  const what = kindOf(error);
  const isRecent = (toldAt: number): boolean => now.mono - toldAt < noteEveryMs;
  const before = state.complaints.find((complaint) => complaint.what === what);
  // Others stay for as long as they are no news: two that take turns are two lines, not one a try.
  const others = state.complaints.filter((it) => it !== before && isRecent(it.toldAt));
  const untold = (before?.untold ?? 0) + 1;
  const message = 'could not campaign';
  if (before !== undefined && isRecent(before.toldAt)) {
    const code = isLockdError(error) ? error.code : 'LOCKD_CONNECTION';
    const line: Effect = { do: 'log', level: 'debug', message, fields: { code, ...facts } };
    return stay({ ...state, complaints: [...others, { ...before, untold }] }, line);
  }
  const complaint = { what, toldAt: now.mono, untold: 0 };
  return stay(
    { ...state, complaints: [...others, complaint] },
    {
      do: 'warn',
      code: 'LOCKD_CONNECTION',
      message,
      error,
      fields: before === undefined ? facts : { ...facts, tries: untold },
    },
  );
}

/** One code covers a database that is down and a password that is wrong: its cause tells them apart. */
function kindOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return `${codeOf(error)} ${codeOf(cause)}`;
}

function codeOf(error: unknown): string {
  const { code } = Object(error) as { code?: unknown };
  return typeof code === 'string' ? code : '';
}

/** Said where it was said that it does not. Whoever asks forgets the complaints, and the failures. */
export const tellRecovery = ({ complaints, failures }: State): readonly Effect[] =>
  complaints.length === 0
    ? []
    : [{ do: 'log', level: 'info', message: 'campaigns again', fields: { failures } }];
