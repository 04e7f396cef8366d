import type { Clock } from '../clock.ts';
import type { SingletonLockController } from '../controller.ts';
import { type Deferred, deferred } from '../deferred.ts';
import { LockdError } from '../errors.ts';
import type { EndReason } from '../machine/protocol.ts';
import type { LeaveOptions } from '../surface.ts';
import type { Term } from '../term.ts';
import type { HoldNotice } from './store.ts';

export interface LeaseHooks {
  /** Something was told to this process. */
  heard(notice: HoldNotice): void;
  /** Nothing that hangs on this term may be trusted any more. */
  ended(term: Term, error: LockdError): void;
  warned(error: LockdError): void;
}

/** What the holds of a process hang on. */
export interface ProcessLease {
  readonly term: Term | undefined;
  listen(hooks: LeaseHooks): void;
  /** Campaigns, unless it does already. */
  start(): Promise<void>;
  next(signal: AbortSignal): Promise<Term>;
  /** Counts as work of this term until the returned function is called. */
  keep(term: Term): () => void;
  /** Whether the server has, or may have, freed everything that hung on it. */
  isOver(term: Term): boolean;
  stop(options?: LeaveOptions): Promise<void>;
}

const losses: readonly EndReason[] = ['session-lost', 'lease-lost', 'deadline-passed'];

/**
 * A controller whose name nobody else wants: its term is the lease of this process. Holds are its work in
 * flight, so that it drains them before it leaves, and confesses once a lost one has been let go of.
 */
export class ControllerLease implements ProcessLease {
  readonly #controller: SingletonLockController;
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #overAt = new WeakMap<Term, number>();
  readonly #kept = new Map<Term, Kept>();
  #hear: LeaseHooks['heard'] = () => {};

  constructor(controller: SingletonLockController, clock: Clock, ttlMs: number) {
    this.#controller = controller;
    this.#clock = clock;
    this.#ttlMs = ttlMs;
  }

  get term(): Term | undefined {
    return this.#controller.term;
  }

  /** What its control session was told beside what is for the controller. */
  hear(notice: HoldNotice): void {
    this.#hear(notice);
  }

  listen(hooks: LeaseHooks): void {
    this.#hear = hooks.heard;
    this.#controller.on('warning', hooks.warned);
    this.#controller.on('passive', (term, reason) => {
      const isLost = losses.includes(reason);
      this.#overAt.set(term, this.#clock.mono() + (isLost ? 0 : this.#ttlMs));
      hooks.ended(
        term,
        new LockdError('LOCKD_HOLD_LOST', `The lease of this process has ended: ${reason}.`, {
          cause: term.signal.reason,
        }),
      );
      if (isLost) this.#lapse(term);
    });
  }

  start(): Promise<void> {
    return this.#controller.start();
  }

  next(signal: AbortSignal): Promise<Term> {
    return this.#controller.whenActive({ signal });
  }

  keep(term: Term): () => void {
    const kept = this.#kept.get(term) ?? this.#begin(term);
    kept.count += 1;
    return () => {
      kept.count -= 1;
      if (kept.count === 0) kept.done.resolve();
    };
  }

  isOver(term: Term): boolean {
    const overAt = this.#overAt.get(term);
    return overAt !== undefined && this.#clock.mono() >= overAt;
  }

  stop(options?: LeaveOptions): Promise<void> {
    return this.#controller.stop(options);
  }

  #begin(term: Term): Kept {
    const kept: Kept = { count: 0, done: deferred() };
    this.#kept.set(term, kept);
    void kept.done.promise.then(() => this.#kept.delete(term));
    void this.#controller.track(kept.done.promise);
    return kept;
  }

  /**
   * What was lost is waited for until its TTL is over, and not for ever: a hold that nobody releases must
   * not keep this process from its next lease, and by then everybody else has stopped waiting for it, too.
   */
  #lapse(term: Term): void {
    const kept = this.#kept.get(term);
    if (kept === undefined) return;
    const cancel = this.#clock.setTimer(this.#clock.mono() + this.#ttlMs, kept.done.resolve);
    void kept.done.promise.then(cancel);
  }
}

interface Kept {
  count: number;
  readonly done: Deferred<void>;
}
