import { EventEmitter } from 'node:events';
import { callable, duration } from '../checks.ts';
import type { Clock } from '../clock.ts';
import { LockdError, messageOf } from '../errors.ts';
import { Delivery } from '../events.ts';
import type { Logger } from '../log.ts';
import type { LeaveOptions } from '../surface.ts';
import type { Term } from '../term.ts';
import { type Acquired, Acquiring, type Refused } from './acquiring.ts';
import { All } from './all.ts';
import { forceRelease } from './force.ts';
import { Hold } from './hold.ts';
import type { ProcessLease } from './lease.ts';
import {
  type AcquireOptions,
  checkResource,
  type HoldOptions,
  type Request,
  settleRequest,
} from './options.ts';
import { asOwner } from './owners.ts';
import * as refusals from './refusals.ts';
import { type LockStats, Stats } from './stats.ts';
import type { Holding, HoldNotice, LockStore } from './store.ts';
import type { Forced, ForceOptions, Inspection, LockEvents, Once } from './surface.ts';
import { Waits } from './waits.ts';

export interface LockManagerParts {
  readonly store: LockStore;
  /** What keeps the holds of this process alive. */
  readonly lease: ProcessLease;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly ttlMs: number;
  readonly callTimeoutMs: number;
  readonly reconnectMaxMs: number;
  readonly reportAfterMs: number;
}

const clearAwayEveryMs = 3_600_000;

/**
 * Locks for everything else a worker needs: exclusive ones, readers and writers, a number of places.
 * Holds are rows that live while the lease of this process does, so ten thousand of them cost a handful
 * of advisory locks and sessions.
 */
export class LockManager implements AsyncDisposable {
  readonly #parts: LockManagerParts;
  readonly #emitter = new EventEmitter<LockEvents>();
  readonly #delivery: Delivery<LockEvents>;
  readonly #waits: Waits;
  readonly #acquiring: Acquiring;
  readonly #stats = new Stats();
  readonly #holds = new Map<string, Hold>();
  readonly #stopping = new AbortController();
  #cancelClearing: () => void = () => {};
  #stopped: Promise<void> | undefined;

  constructor(parts: LockManagerParts) {
    this.#parts = parts;
    const { logger, lease } = parts;
    this.#delivery = new Delivery<LockEvents>(this.#emitter, (event, error) =>
      logger.error({ event, reason: messageOf(error) }, 'a listener failed'),
    );
    this.#waits = new Waits({ ...parts, report: (error) => this.#warn(error) });
    this.#acquiring = new Acquiring({
      ...parts,
      waits: this.#waits,
      term: () => lease.term,
      nextTerm: (signal) => this.#nextTerm(signal),
      isOver: (term) => lease.isOver(term),
      contended: ({ resource, owner }, holders) =>
        this.#delivery.send('resource.contended', { resource, owner, holders }),
    });
    lease.listen({
      heard: (notice) => this.#hear(notice),
      ended: (term, error) => this.#end(term, error),
      warned: (error) => this.#delivery.send('warning', error),
    });
  }

  /** Subscribes. What a listener throws is logged, and disturbs nobody. */
  on<Name extends keyof LockEvents>(
    event: Name,
    listener: (...args: LockEvents[Name]) => void,
  ): this {
    this.#emitter.on(event, listener as never);
    return this;
  }

  off<Name extends keyof LockEvents>(
    event: Name,
    listener: (...args: LockEvents[Name]) => void,
  ): this {
    this.#emitter.off(event, listener as never);
    return this;
  }

  /**
   * Takes the lease of this process; `acquire` does it too. Rejects with what retrying cannot heal (no
   * schema, no privilege, a transaction pooler, …); a database that is down is tried again and again.
   */
  async start(): Promise<void> {
    this.#stopping.signal.throwIfAborted();
    await this.#parts.lease.start();
  }

  /**
   * Waits for `resource` and holds it. Rejects with `LOCKD_BUSY` when `waitMs` is over,
   * `LOCKD_ALREADY_HELD` where the same owner holds it, `LOCKD_MODE_MISMATCH` where it is used with
   * other permits, `LOCKD_DEADLOCK` where this wait closes a circle, `LOCKD_STOPPED` after `stop()`, or
   * with the signal's own reason.
   */
  async acquire(resource: string, options: AcquireOptions = {}): Promise<Hold> {
    const request = settleRequest(resource, options);
    const outcome = await this.#request(request);
    if (outcome instanceof Hold) return outcome;
    throw refusals.busy(request, outcome.holders);
  }

  /** As `acquire`, without waiting: undefined where somebody else has it. */
  async tryAcquire(
    resource: string,
    options: HoldOptions & Pick<AcquireOptions, 'signal'> = {},
  ): Promise<Hold | undefined> {
    const outcome = await this.#request(settleRequest(resource, { ...options, waitMs: 0 }));
    return outcome instanceof Hold ? outcome : undefined;
  }

  /**
   * Runs `routine` while it holds the resource, and gives it back. What the routine asks for within has
   * the same owner. A routine that returns although its hold was lost meanwhile was not alone: then it
   * rejects with that loss. Its own error comes first.
   */
  using<Result>(
    resource: string,
    routine: (hold: Hold) => Promise<Result> | Result,
  ): Promise<Result>;
  using<Result>(
    resource: string,
    options: AcquireOptions,
    routine: (hold: Hold) => Promise<Result> | Result,
  ): Promise<Result>;
  async using<Result>(
    resource: string,
    ...rest:
      | [routine: (hold: Hold) => Promise<Result> | Result]
      | [options: AcquireOptions, routine: (hold: Hold) => Promise<Result> | Result]
  ): Promise<Result> {
    const [options, routine] = rest.length === 1 ? [{}, rest[0]] : rest;
    callable('routine', routine);
    return this.#run(await this.acquire(resource, options), routine);
  }

  /** Runs `routine` unless somebody runs it already, anywhere; never waits. */
  async once<Result>(
    resource: string,
    routine: (hold: Hold) => Promise<Result> | Result,
    options: HoldOptions = {},
  ): Promise<Once<Result>> {
    callable('routine', routine);
    const outcome = await this.#request(settleRequest(resource, { ...options, waitMs: 0 }));
    if (!(outcome instanceof Hold)) {
      return { status: 'already-running', holder: outcome.holders[0] };
    }
    return { status: 'ran', value: await this.#run(outcome, routine) };
  }

  /**
   * All of them or none, in one order for everybody, so that two of these never wait for each other.
   * `waitMs` is for all together.
   */
  acquireAll(resources: readonly string[], options: AcquireOptions = {}): Promise<All> {
    return All.acquire(resources, options, this.#parts.clock, (resource, each) =>
      this.acquire(resource, each),
    );
  }

  /** Whether anybody holds it. By the time of the answer it may be otherwise: to act on it, acquire. */
  async isLocked(resource: string): Promise<boolean> {
    return (await this.inspect(resource)).holders.length > 0;
  }

  /** Who holds it; of several the first one. */
  async holderOf(resource: string): Promise<Holding | undefined> {
    return (await this.inspect(resource)).holders[0];
  }

  async inspect(resource: string): Promise<Inspection> {
    const { holdings, waitings } = await this.#parts.store.queues([checkResource(resource)]);
    return { resource, holders: holdings, waiters: waitings };
  }

  /** Everything that is held, by anybody; held for longer than `stalerThanMs`, if given. */
  async list(
    options: { readonly stalerThanMs?: number | undefined } = {},
  ): Promise<readonly Holding[]> {
    const { stalerThanMs } = options;
    if (stalerThanMs !== undefined) duration('stalerThanMs', stalerThanMs, 0);
    const { holdings } = await this.#parts.store.queues();
    return stalerThanMs === undefined
      ? holdings
      : holdings.filter(({ forMs }) => forMs > stalerThanMs);
  }

  /**
   * Asks whoever holds it to let go, and takes it where they have not after `graceMs`: their signals
   * abort, and their tokens are stale. Work that ignores its signal then runs beside the next holder's,
   * unless it is fenced.
   */
  forceRelease(resource: string, options: ForceOptions): Promise<Forced> {
    return forceRelease(this.#parts, checkResource(resource), options);
  }

  /** Of this manager, since it was made. */
  stats(): LockStats {
    return this.#stats.read();
  }

  /**
   * New acquires reject, waits end, routines that run get their signal, and their holds are given back
   * when they are done; then the lease. Forced, it gives up after the drain's time. Calling it again
   * joins the first call.
   */
  stop(options: LeaveOptions = {}): Promise<void> {
    this.#stopping.abort(this.#stoppedError());
    this.#cancelClearing();
    const left = this.#parts.lease.stop(options);
    this.#stopped ??= this.#stop(left);
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(left: Promise<void>): Promise<void> {
    await left;
    this.#waits.move();
    await this.#acquiring.settled();
    await this.#parts.store.close();
  }

  async #request(request: Request): Promise<Hold | Refused> {
    this.#stopping.signal.throwIfAborted();
    const { clock } = this.#parts;
    const { resource, mode, owner } = request;
    const begun = clock.mono();
    this.#stats.begin(resource, mode);
    const end = (what: 'acquired' | 'timed out' | 'failed'): void =>
      this.#stats.end(what, resource, mode, owner, clock.mono() - begun);
    try {
      const outcome = await this.#acquiring.acquire(request);
      end(outcome.is === 'acquired' ? 'acquired' : 'timed out');
      return outcome.is === 'acquired' ? this.#hold(request, outcome) : outcome;
    } catch (error) {
      end(refusals.isOverdue(error) || request.signal?.aborted ? 'timed out' : 'failed');
      throw this.#stopping.signal.aborted ? this.#stopping.signal.reason : error;
    }
  }

  #hold(request: Request, { wanted, term, token, slot }: Acquired): Hold {
    const { clock, store, lease } = this.#parts;
    const { resource, mode, owner, details, ttlMs, keepAlive } = request;
    const begun = clock.mono();
    const isOver = lease.keep(term);
    const hold = new Hold(
      { resource, mode, owner, token, slot, since: new Date() },
      {
        clock,
        term,
        ttlMs,
        keepAlive,
        giveBack: () => this.#acquiring.giveBack(wanted, term),
        describe: (lastsMs) =>
          store.describe(resource, wanted.request, { ...details, ttlMs: lastsMs }),
        lost: (lost, error) => {
          this.#stats.end('lost', resource, mode, owner, clock.mono() - begun);
          this.#delivery.send('resource.lost', lost, error);
        },
        over: (over) => {
          this.#holds.delete(wanted.request);
          isOver();
          this.#stats.end('released', resource, mode, owner, clock.mono() - begun);
          if (over.end === undefined) this.#delivery.send('resource.unlocked', over);
        },
      },
    );
    this.#holds.set(wanted.request, hold);
    this.#delivery.send('resource.locked', hold);
    return hold;
  }

  async #run<Result>(hold: Hold, routine: (hold: Hold) => Promise<Result> | Result) {
    try {
      const result = await asOwner(hold.owner, () => routine(hold));
      if (hold.end !== undefined) throw hold.end;
      return result;
    } finally {
      await hold.release();
    }
  }

  #hear(notice: HoldNotice): void {
    if (notice.is === 'granted') {
      this.#waits.granted(notice.request, notice);
      return;
    }
    const hold = this.#holds.get(notice.request);
    const { by, reason } = notice;
    if (hold === undefined) return;
    hold.lose(
      new LockdError(
        notice.is === 'asked' ? 'LOCKD_HOLD_ASKED' : 'LOCKD_HOLD_LOST',
        `The hold of ${JSON.stringify(hold.resource)} was ${notice.is === 'asked' ? 'asked back' : 'taken away'} by ${by}: ${reason}.`,
      ),
    );
    if (notice.is === 'taken') hold.finish();
  }

  /** The lease that these holds hung on has ended: their holders are told before anybody else can know. */
  #end(term: Term, error: LockdError): void {
    for (const hold of this.#holds.values()) if (hold.hangsOn(term)) hold.lose(error);
    this.#waits.move();
  }

  async #nextTerm(signal: AbortSignal): Promise<Term> {
    const { lease } = this.#parts;
    const either = AbortSignal.any([signal, this.#stopping.signal]);
    await lease.start();
    const term = await lease.next(either);
    this.#keepClear();
    return term;
  }

  /** Housekeeping, once in an hour, and never in anybody's way. */
  #keepClear(): void {
    const { clock, store, logger } = this.#parts;
    this.#cancelClearing();
    const clear = (): void => {
      this.#cancelClearing = clock.setTimer(clock.mono() + clearAwayEveryMs, clear);
      store
        .clearAway()
        .catch((error) => logger.debug({ reason: messageOf(error) }, 'could not clear away'));
    };
    this.#cancelClearing = clock.setTimer(clock.mono() + 1_000, clear);
  }

  #warn(error: LockdError): void {
    this.#parts.logger.warn({ code: error.code, reason: error.message }, 'waits for long');
    this.#delivery.send('warning', error);
  }

  #stoppedError(): LockdError {
    return new LockdError('LOCKD_STOPPED', 'The lock manager was stopped.');
  }
}
