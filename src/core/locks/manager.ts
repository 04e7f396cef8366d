import { EventEmitter } from 'node:events';
import { callable, duration } from '../checks.ts';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { Delivery } from '../events.ts';
import { refuseUnknown } from '../known.ts';
import type { Logger } from '../log.ts';
import { isForced, type LeaveOptions } from '../surface.ts';
import { forceRelease } from './force.ts';
import { Hold } from './hold.ts';
import { acquireAll, type Holds } from './holds.ts';
import { Keeper } from './keeper.ts';
import type { ProcessLease } from './lease.ts';
import {
  type AcquireOptions,
  checkResource,
  type HoldOptions,
  type Request,
  settleAtOnce,
  settleRequest,
} from './options.ts';
import { asNobody, isRoutineOf } from './owners.ts';
import * as refusals from './refusals.ts';
import type { LockStats } from './stats.ts';
import type { Holding, LockStore } from './store.ts';
import type { Forced, ForceOptions, Inspection, LockEvents, Once } from './surface.ts';

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
  /** Of this machine, since it was started: processes with the same one share their clocks. */
  readonly machineId?: (() => string | undefined) | undefined;
}

type Routine<Result> = (hold: Hold) => Promise<Result> | Result;

/**
 * Locks for everything else a worker needs: exclusive ones, readers and writers, a number of places.
 * Holds are rows that live while the lease of this process does, so ten thousand of them cost a handful
 * of advisory locks and sessions.
 */
export class LockManager implements AsyncDisposable {
  readonly #parts: LockManagerParts;
  readonly #emitter = new EventEmitter<LockEvents>();
  readonly #keeper: Keeper;

  constructor(parts: LockManagerParts) {
    this.#parts = parts;
    const { logger } = parts;
    const delivery = new Delivery<LockEvents>(this.#emitter, (event, error) =>
      logger.error({ event, reason: messageOf(error) }, 'a listener failed'),
    );
    this.#keeper = new Keeper({
      ...parts,
      tell: (event, ...args) => {
        if (this.#emitter.listenerCount(event) > 0) asNobody(() => delivery.send(event, ...args));
      },
    });
  }

  /** Subscribes. What a listener throws is logged, and disturbs nobody; it is no part of any routine. */
  on<Name extends keyof LockEvents>(
    event: Name,
    listener: (...args: LockEvents[Name]) => void,
  ): this {
    this.#emitter.on(event, listener as never);
    return this;
  }

  /** Ends a subscription. */
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
  start(): Promise<void> {
    return this.#keeper.start();
  }

  /**
   * Waits for `resource` and holds it. Rejects with `LOCKD_BUSY` when `waitMs` is over,
   * `LOCKD_UNAVAILABLE` where the database did not answer until then, `LOCKD_ALREADY_HELD` where the same
   * owner holds it, or a routine that this is called in, `LOCKD_MODE_MISMATCH` where it is used with other
   * permits, `LOCKD_DEADLOCK` where this wait closes a circle, `LOCKD_STOPPED` after `stop()`, or with the
   * signal's own reason.
   *
   *     await using hold = await locks.acquire('order:42', { waitMs: 5_000, reason: 'shipping' });
   *     await ship('42', hold.signal);
   */
  async acquire(resource: string, options: AcquireOptions = {}): Promise<Hold> {
    return this.#acquire(settleRequest(resource, options));
  }

  async #acquire(request: Request): Promise<Hold> {
    const outcome = await this.#keeper.request(request);
    if (outcome instanceof Hold) return outcome;
    throw refusals.busy(request, outcome.holders);
  }

  /**
   * As `acquire`, without waiting: undefined where somebody else has it.
   *
   *     await using hold = await locks.tryAcquire('cache:warm');
   *     if (hold !== undefined) await warm(hold.signal);
   */
  async tryAcquire(resource: string, options: HoldOptions = {}): Promise<Hold | undefined> {
    const outcome = await this.#keeper.request(settleAtOnce(resource, options));
    return outcome instanceof Hold ? outcome : undefined;
  }

  /**
   * Runs `routine` while it holds the resource, and gives it back. What the routine asks for within
   * belongs to it; what it leaves behind when it has settled does not. A routine that returns although
   * its hold was lost meanwhile was not alone: then it rejects with that loss. Its own error comes first.
   *
   *     await locks.using('order:42', (hold) => ship('42', hold.signal));
   */
  using<Result>(resource: string, routine: Routine<Result>): Promise<Result>;
  using<Result>(
    resource: string,
    options: AcquireOptions,
    routine: Routine<Result>,
  ): Promise<Result>;
  async using<Result>(
    resource: string,
    ...rest: [Routine<Result>] | [AcquireOptions, Routine<Result>]
  ): Promise<Result> {
    const [options, routine] = rest.length === 1 ? [{}, rest[0]] : rest;
    callable('routine', routine);
    return this.#keeper.run(await this.acquire(resource, options), routine);
  }

  /**
   * Runs `routine`, as `using` does, unless somebody has the resource: then it says so. Never waits.
   *
   *     const outcome = await locks.once('report', () => makeReport());
   *     if (outcome.status === 'already-running') console.log(outcome.holder?.label);
   */
  once<Result>(resource: string, routine: Routine<Result>): Promise<Once<Result>>;
  once<Result>(
    resource: string,
    options: HoldOptions,
    routine: Routine<Result>,
  ): Promise<Once<Result>>;
  async once<Result>(
    resource: string,
    ...rest: [Routine<Result>] | [HoldOptions, Routine<Result>]
  ): Promise<Once<Result>> {
    const [options, routine] = rest.length === 1 ? [{}, rest[0]] : rest;
    callable('routine', routine);
    const outcome = await this.#keeper.request(settleAtOnce(resource, options));
    if (!(outcome instanceof Hold)) {
      return { status: 'already-running', holder: outcome.holders[0] };
    }
    return { status: 'ran', value: await this.#keeper.run(outcome, routine) };
  }

  /**
   * All of them or none, for one owner, and in one order for everybody, so that two of these never wait
   * for each other. `waitMs` is for all together. Rejects as `acquire` does, and with `LOCKD_HOLD_LOST`,
   * `LOCKD_HOLD_EXPIRED` or `LOCKD_HOLD_ASKED` where one was lost, or asked for, while another was waited
   * for.
   *
   *     await using both = await locks.acquireAll(['account:1', 'account:2']);
   *     await move('1', '2', both.signal);
   */
  acquireAll(resources: readonly string[], options: AcquireOptions = {}): Promise<Holds> {
    return acquireAll(resources, options, this.#parts.clock, (request) => this.#acquire(request));
  }

  /** Whether anybody holds it. By the time of the answer it may be otherwise: to act on it, acquire. */
  async isLocked(resource: string): Promise<boolean> {
    return (await this.inspect(resource)).holders.length > 0;
  }

  /** Who holds it; of several the first one. */
  async holderOf(resource: string): Promise<Holding | undefined> {
    return (await this.inspect(resource)).holders[0];
  }

  /** Who holds it, and who waits for it. */
  async inspect(resource: string): Promise<Inspection> {
    const { holdings, waitings } = await this.#parts.store.queues([checkResource(resource)]);
    return { resource, holders: holdings, waiters: waitings };
  }

  /** Everything that is held, by anybody; held for longer than `stalerThanMs`, if given. */
  async list(
    options: { readonly stalerThanMs?: number | undefined } = {},
  ): Promise<readonly Holding[]> {
    refuseUnknown(options, { stalerThanMs: true });
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
   *
   *     await locks.forceRelease('order:42', { by: 'anna', reason: 'the agent hangs' });
   */
  forceRelease(resource: string, options: ForceOptions): Promise<Forced> {
    return forceRelease(this.#parts, resource, options);
  }

  /** Of this manager, since it was made. */
  stats(): LockStats {
    return this.#keeper.stats.read();
  }

  /**
   * New acquires and waits reject with `LOCKD_STOPPED`, routines that run get their signal
   * (`LOCKD_HOLD_ASKED`), and everything is kept until they are done: settles when the last hold is
   * released, and the lease with it. A hold that nobody releases holds it up; forced, it gives up after
   * `drainTimeoutMs`. Called by a routine of this manager it settles for that caller at once: the rest
   * waits for it. Calling it again joins the first call. There is no way back: make another manager.
   */
  stop(options: LeaveOptions = {}): Promise<void> {
    isForced(options); // before anything ends
    const stopped = asNobody(() => this.#keeper.stop(options));
    return isRoutineOf(this.#keeper) ? Promise.resolve() : stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
