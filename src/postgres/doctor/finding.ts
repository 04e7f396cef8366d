import { isLockdError, messageOf } from '../../core/errors.ts';
import type { Visit } from './visit.ts';

/** The worst last. */
export const verdicts = ['ok', 'note', 'warning', 'problem'] as const;

/**
 * `note`: good to know. `warning`: it works, until it does not. `problem`: an instance would not start,
 * or would not lead for long.
 */
export type Verdict = (typeof verdicts)[number];

export interface Finding {
  /** Which check found it. Stable. */
  readonly check: string;
  readonly verdict: Verdict;
  readonly message: string;
  /** What to do: the command or the setting. Undefined where all is well. */
  readonly remedy: string | undefined;
}

export type Told = Omit<Finding, 'check'>;

export interface Check {
  readonly name: string;
  /** Undefined where there is nothing to look at. What it throws is a finding, too. */
  look(visit: Visit): Promise<Told | undefined>;
}

export const ok = (message: string): Told => ({ verdict: 'ok', message, remedy: undefined });

export const note = (message: string, remedy: string): Told => told('note', message, remedy);
export const warning = (message: string, remedy: string): Told => told('warning', message, remedy);
export const problem = (message: string, remedy: string): Told => told('problem', message, remedy);

const told = (verdict: Verdict, message: string, remedy: string): Told => ({
  verdict,
  message,
  remedy,
});

export const worstOf = (findings: readonly Finding[]): Verdict =>
  findings.reduce<Verdict>(
    (worst, { verdict }) => (verdicts.indexOf(verdict) > verdicts.indexOf(worst) ? verdict : worst),
    'ok',
  );

/** What an instance would be refused with is a problem; what could only not be told is a warning. */
export function toldBy(error: unknown): Told {
  const { what, remedy = again } = apart(error);
  if (isLockdError(error) && !error.isRetryable) return problem(what, remedy);
  return warning(`Could not be told: ${what}`, remedy);
}

const again = 'Run `lockd doctor` again; where it stays so, the log of the server may say why.';

/** Our messages end in their remedy: behind the cause, where there is one, else the last sentence. */
export function apart(error: unknown): { what: string; remedy: string | undefined } {
  const message = messageOf(error);
  if (!isLockdError(error)) return { what: message, remedy: undefined };
  const cause = error.cause === undefined ? undefined : messageOf(error.cause);
  if (cause !== undefined && message.startsWith(`${cause}. `)) {
    return { what: `${cause}.`, remedy: message.slice(cause.length + 2) };
  }
  const at = message.lastIndexOf('. ');
  if (at === -1) return { what: message, remedy: undefined };
  return { what: message.slice(0, at + 1), remedy: message.slice(at + 2) };
}

/** Of a command in a remedy. */
export const shellWord = (text: string): string =>
  /^[\w-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
