import type { LockdError } from './errors.ts';

/** One uninterrupted leadership. It never resumes: losing it for a moment ends it. */
export interface Term {
  /** What is led. */
  readonly name: string;
  /** The fencing token: greater than that of every term before. */
  readonly token: bigint;
  /** The controller that leads: its `instance`. */
  readonly instance: string;
  /** By this machine's clock, for people. */
  readonly since: Date;
  /** Time without a leader before it, in ms, by the database's clock; undefined for the first term. */
  readonly gapMs: number | undefined;
  /**
   * Aborts once the gate has closed; its `reason` is a LockdError with code `LOCKD_LOST`. Where time
   * has closed the gate, it aborts when the event loop next turns, and after a suspend of the machine
   * within a heartbeat of waking time: `isActive()` is the one that is exact.
   */
  readonly signal: AbortSignal;
  /** The gate, for this term: false once it has ended, and on any doubt. */
  isActive(): boolean;
  /** How much longer this term may be trusted without another beat, in ms; 0 once it has ended. */
  validForMs(): number;
}

/** The term and the one who can end it. */
export interface OpenTerm extends Term {
  end(reason: LockdError): void;
}

export function openTerm(
  facts: Pick<Term, 'name' | 'token' | 'instance' | 'since' | 'gapMs'>,
  validForMs: () => number,
): OpenTerm {
  const abort = new AbortController();
  const left = (): number => (abort.signal.aborted ? 0 : validForMs());
  return Object.freeze({
    ...facts,
    signal: abort.signal,
    isActive: () => left() > 0,
    validForMs: left,
    end: (reason: LockdError) => abort.abort(reason),
  });
}
