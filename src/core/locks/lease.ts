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
  /**
   * This term has ended. Where `isOver` says so, nothing that hangs on it may be trusted any more;
   * else it is being left, and what is held is kept until it is let go of.
   */
  ended(term: Term, error: LockdError): void;
  /** A lost term is over for everybody: what hung on it is not waited for any longer. */
  lapsed(term: Term): void;
  warned(error: LockdError): void;
}

/** What the holds of a process hang on. */
export interface ProcessLease {
  /** As far as was told: what is had under it is believed only if it is exactly active then. */
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
  readonly #lost = new WeakSet<Term>();
  readonly #kept = new Map<Term, Kept>();
  #latest: Term | undefined;
  #hear: LeaseHooks['heard'] = () => {};
  #lapsed: LeaseHooks['lapsed'] = () => {};

  constructor(controller: SingletonLockController, clock: Clock, ttlMs: number) {
    this.#controller = controller;
    this.#clock = clock;
    this.#ttlMs = ttlMs;
  }

  get term(): Term | undefined {
    return this.#latest?.signal.aborted === false ? this.#latest : undefined;
  }

  /** What its control session was told beside what is for the controller. */
  hear(notice: HoldNotice): void {
    this.#hear(notice);
  }

  listen(hooks: LeaseHooks): void {
    this.#hear = hooks.heard;
    this.#lapsed = hooks.lapsed;
    this.#controller.on('warning', hooks.warned);
    this.#controller.on('active', (term) => {
      this.#latest = term;
    });
    this.#controller.on('passive', (term, reason) => {
      const isLost = losses.includes(reason);
      if (isLost) this.#lost.add(term);
      hooks.ended(term, isLost ? lost(term, reason) : leaving(reason));
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
      if (kept.count === 0) this.#end(term, kept);
    };
  }

  isOver(term: Term): boolean {
    if (this.#lost.has(term)) return true;
    const { state } = this.#controller;
    return this.#latest !== term || (state !== 'active' && state !== 'draining');
  }

  async stop(options?: LeaveOptions): Promise<void> {
    await this.#controller.stop(options);
    // Forced, it did not wait for what was lost: nobody else does, either.
    for (const [term, kept] of this.#kept) this.#end(term, kept);
  }

  #begin(term: Term): Kept {
    const kept: Kept = { count: 0, done: deferred() };
    this.#kept.set(term, kept);
    void this.#controller.track(kept.done.promise);
    return kept;
  }

  /** At once: what is kept from now on begins anew. */
  #end(term: Term, kept: Kept): void {
    if (this.#kept.get(term) === kept) this.#kept.delete(term);
    kept.done.resolve();
  }

  /**
   * What was lost is waited for until its TTL is over, and not for ever: a hold that nobody releases must
   * not keep this process from its next lease, and by then everybody else has stopped waiting for it, too.
   */
  #lapse(term: Term): void {
    const kept = this.#kept.get(term);
    if (kept === undefined) return;
    const cancel = this.#clock.setTimer(this.#clock.mono() + this.#ttlMs, () => {
      this.#end(term, kept);
      this.#lapsed(term);
    });
    void kept.done.promise.then(cancel);
  }
}

interface Kept {
  count: number;
  readonly done: Deferred<void>;
}

const lost = ({ signal }: Term, reason: EndReason): LockdError =>
  new LockdError('LOCKD_HOLD_LOST', `The lease of this process has ended: ${reason}.`, {
    cause: signal.reason,
  });

export const leaving = (reason: EndReason): LockdError =>
  new LockdError(
    'LOCKD_HOLD_ASKED',
    `This process leaves its lease: ${reason}. Finish, and let go of what is held.`,
  );
