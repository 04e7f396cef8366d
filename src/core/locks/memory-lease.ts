import type { Clock } from '../clock.ts';
import { deferred } from '../deferred.ts';
import { LockdError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Candidate } from '../store.ts';
import { isForced, type LeaveOptions } from '../surface.ts';
import { type OpenTerm, openTerm, type Term } from '../term.ts';
import { type LeaseHooks, leaving, type ProcessLease } from './lease.ts';
import type { Member } from './memory.ts';
import type { HoldNotice } from './store.ts';

export interface MemoryLeaseOptions {
  readonly member: Member;
  readonly who: Candidate;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly drainTimeoutMs: number;
}

/** A lease that nothing ends but `stop()`: the memory is gone when its process is. */
export class MemoryLease implements ProcessLease {
  readonly member: Member;
  readonly #options: MemoryLeaseOptions;
  readonly #drained = deferred();
  #hooks: LeaseHooks | undefined;
  #term: OpenTerm | undefined;
  #kept = 0;
  #isForced = false;
  #hasOverrun = false;
  #isOver = false;
  #stopped: Promise<void> | undefined;

  constructor(options: MemoryLeaseOptions) {
    this.#options = options;
    this.member = options.member;
  }

  get term(): Term | undefined {
    return this.#term?.isActive() ? this.#term : undefined;
  }

  hear(notice: HoldNotice): void {
    this.#hooks?.heard(notice);
  }

  listen(hooks: LeaseHooks): void {
    this.#hooks = hooks;
  }

  async start(): Promise<void> {
    if (this.#stopped !== undefined) throw stopped();
    const { name, instance } = this.#options.who;
    this.#term ??= openTerm(
      { name, instance, gapMs: undefined, ...this.member.begin() },
      () => Number.POSITIVE_INFINITY,
    );
  }

  async next(signal: AbortSignal): Promise<Term> {
    signal.throwIfAborted();
    if (this.term === undefined) throw stopped();
    return this.term;
  }

  keep(): () => void {
    this.#kept += 1;
    return () => {
      this.#kept -= 1;
      this.#settle();
    };
  }

  isOver(): boolean {
    return this.#isOver;
  }

  stop(options: LeaveOptions = {}): Promise<void> {
    this.#isForced ||= isForced(options);
    this.#stopped ??= this.#stop();
    this.#settle();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const term = this.#term;
    if (term === undefined) return;
    term.end(new LockdError('LOCKD_LOST', 'The lease of this process has ended: stopped.'));
    this.#hooks?.ended(term, leaving('stopped'));
    const { clock, drainTimeoutMs } = this.#options;
    const cancel = clock.setTimer(clock.mono() + drainTimeoutMs, () => this.#overrun());
    await this.#drained.promise;
    cancel();
    this.#isOver = true;
    this.member.end();
  }

  #overrun(): void {
    this.#hasOverrun = true;
    const { logger, drainTimeoutMs } = this.#options;
    const message = 'drain overruns: work does not heed its abort signal';
    logger.warn({ code: 'LOCKD_DRAIN_OVERRUN', drainTimeoutMs }, message);
    this.#hooks?.warned(new LockdError('LOCKD_DRAIN_OVERRUN', message));
    this.#settle();
  }

  /** When nothing is held any more; or, forced, when that took too long. */
  #settle(): void {
    if (this.#stopped === undefined) return;
    if (this.#kept === 0 || (this.#isForced && this.#hasOverrun)) this.#drained.resolve();
  }
}

const stopped = (): LockdError => new LockdError('LOCKD_STOPPED', 'The lock manager was stopped.');
