import { EventEmitter } from 'node:events';
import { callable } from './checks.ts';
import { instantOf, leftMs } from './clock.ts';
import { messageOf } from './errors.ts';
import { Delivery } from './events.ts';
import { Gate } from './gate.ts';
import { hostOf } from './host.ts';
import { Lifecycle } from './lifecycle.ts';
import { type Logger, withFields } from './log.ts';
import { isConnected, knownLeader, tenureOf } from './machine/standing.ts';
import { trustedUntil } from './machine/tenure.ts';
import { Notices } from './notices.ts';
import type { Settled } from './options.ts';
import {
  type ControllerEvents,
  type ControllerParts,
  type ControllerState,
  type Gated,
  isForced,
  type LeaveOptions,
  type Standing,
} from './surface.ts';
import type { Term } from './term.ts';
import {
  eachTerm,
  nextTerm,
  Prospect,
  selfWait,
  type WaitOptions,
  whileActive,
} from './waiting.ts';
import { outsideWork, Work } from './work.ts';

/**
 * Campaigns for one name, and is the gate: at most one controller of a name, anywhere, answers true
 * to `isActive()` at any instant. One watcher, one seat session, one control session.
 */
export class SingletonLockController
  extends EventEmitter<ControllerEvents>
  implements AsyncDisposable
{
  /** What is led. */
  readonly name: string;
  /** One uuid per controller; what the lease names. */
  readonly instance: string;
  /** Who this is, for people. */
  readonly label: string;
  /** The one watcher of this controller, in its log lines. */
  readonly watcherId: string;
  /** A witness sees this process die: its successor starts at once, and not after the TTL. */
  readonly isGuarded: boolean;
  readonly #settled: Settled;
  readonly #logger: Logger;
  readonly #work = new Work();
  readonly #prospect = new Prospect();
  readonly #notices: Notices;
  readonly #gate: Gate;
  readonly #lifecycle: Lifecycle;
  readonly #delivery: Delivery<ControllerEvents>;

  constructor(settled: Settled, parts: ControllerParts) {
    super();
    this.setMaxListeners(0); // every wait for a term listens
    const { name, instance, label } = settled.candidate;
    this.name = name;
    this.instance = instance;
    this.label = label;
    this.watcherId = instance.slice(0, 8);
    this.isGuarded = parts.witness !== undefined;
    this.#settled = settled;
    this.#notices = new Notices(settled.noticeIntervalMs);
    const logger = withFields(settled.logger, { name, instance, watcher: this.watcherId });
    this.#logger = logger;
    const delivery = new Delivery<ControllerEvents>(this, (event, error) =>
      logger.error({ event, reason: messageOf(error) }, 'a listener failed'),
    );
    this.#delivery = delivery;
    const { clock } = settled;
    const validForMs = (): number => this.#validForMs();
    const work = this.#work;
    const gate = new Gate({ name, instance, logger, work, delivery, clock, validForMs });
    this.#gate = gate;
    this.#lifecycle = new Lifecycle({
      settled,
      parts,
      logger,
      delivery,
      prospect: this.#prospect,
      host: hostOf(gate, logger, delivery),
    });
  }

  /**
   * The gate. Synchronous, and exact at the moment of the call: compares the term's deadline with
   * the monotonic and the boot-time clock, so neither a blocked event loop, a frozen process nor a
   * suspended machine keeps it open.
   */
  isActive(): boolean {
    return this.#validForMs() > 0;
  }

  /** The gate is closed unless this is `'active'`; `isActive()` asks the same clocks. */
  get state(): ControllerState {
    if (this.#lifecycle.isStopped) return 'stopped';
    const { phase } = this.#lifecycle.runtime.state;
    switch (phase.is) {
      case 'active':
        return this.isActive() ? 'active' : 'draining';
      case 'draining':
      case 'releasing':
        return 'draining';
      default:
        return 'passive';
    }
  }

  /** The current term while the gate is open. */
  get term(): Term | undefined {
    return this.isActive() ? this.#gate.term : undefined;
  }

  /**
   * Begins to campaign; settles after the first attempt, leading or not, and the registration beside
   * it. A database that is down is no error: it keeps trying. Rejects with what retrying cannot heal
   * (no schema, no privilege, a transaction pooler, …), or `LOCKD_STOPPED`. Calling it again joins the
   * first call; calling it while it stops starts anew afterwards. Work that stops and then starts would
   * wait for itself: for it this rejects with `LOCKD_SELF_WAIT`, and a warning in the log says so. Where
   * nobody awaits it, that is all.
   */
  start(): Promise<void> {
    const { isOver } = this.#lifecycle;
    if (isOver && this.#work.isAsking) return this.#refuseStart();
    return outsideWork(() => this.#lifecycle.start());
  }

  /**
   * Closes the gate, aborts the term, lets work in flight finish, releases, disconnects. While work
   * does not finish it keeps the seat and does not settle; forced, it gives up after
   * `drainTimeoutMs`, and the successor waits for the lease to run out. Calling it again joins the
   * first call. Called by the work of `whileActive` or by a gated handler, it settles for that caller
   * when the gate is closed and the term aborted: the drain waits for the caller. What such work sets
   * up, as a timer or a signal handler, is such a caller while the work runs.
   */
  stop(options: LeaveOptions = {}): Promise<void> {
    const force = isForced(options);
    const stopped = outsideWork(() => this.#lifecycle.stop(force));
    return this.#work.isAsking ? Promise.resolve() : stopped;
  }

  /**
   * Leaves on purpose and campaigns again after a pause, so that whoever waits has the seat. Settles
   * when the seat is let go; for work that calls it, as `stop()` does.
   */
  async resign(options: LeaveOptions = {}): Promise<void> {
    const force = isForced(options);
    outsideWork(() => this.#lifecycle.runtime.dispatch({ is: 'resign', isForced: force }));
    if (!this.#work.isAsking) await this.#gate.left();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /**
   * Resolves with the term as soon as the gate is open; at once when it is. Before the first start()
   * it waits for that, too. Rejects with the signal's own reason, or with `LOCKD_STOPPED` when the
   * controller is stopped or its start was refused, and until it is started again. Work whose own term
   * has ended would wait for itself: for it this rejects with `LOCKD_SELF_WAIT`.
   */
  whenActive(options: WaitOptions = {}): Promise<Term> {
    return nextTerm(this, this.#work, this.#prospect.ended, undefined, options);
  }

  /**
   * Every term of this controller, one after the other, until it is stopped. The loop's body counts
   * as work in flight: the seat is kept until it asks for the next term. In it, do not await `stop()`
   * or `resign()`, which wait for it. Before the first start() it waits for that, too. Work of
   * `whileActive` or a gated handler that asks for more than its own term is told `LOCKD_SELF_WAIT`.
   */
  terms(options: WaitOptions = {}): AsyncGenerator<Term, void, void> {
    return eachTerm(this, this.#work, this.#prospect, options);
  }

  /**
   * Starts the controller unless somebody has, runs `work` once per term, and drains it: campaign,
   * run, abort, drain, release, again. Work that returns early resigns; work that throws resigns and
   * rejects. Aborting `signal` ends the term, waits for the work, and rejects with the signal's own
   * reason. Resolves when stopped.
   */
  whileActive(
    work: (term: Term) => Promise<void> | void,
    options: WaitOptions = {},
  ): Promise<void> {
    return whileActive(this, this.#work, this.#prospect, work, options);
  }

  /** Counts a promise as work in flight: the seat is kept until it settles. Returns what it is given. */
  track<Result>(promise: Promise<Result>): Promise<Result> {
    this.#work.track(promise);
    return promise;
  }

  /** Wraps a handler: it runs, and is drained, while the gate is open; else the answer says so. */
  gated<Args extends unknown[], Result>(
    handler: (...args: Args) => Promise<Result> | Result,
  ): (...args: Args) => Promise<Gated<Result>> {
    callable('handler', handler);
    return async (...args) =>
      this.isActive()
        ? { ran: true, value: await this.#work.run(() => handler(...args)) }
        : { ran: false };
  }

  /**
   * Whether to tell `key` (a chat, a user) that this instance does not work now: true at most once
   * per key and interval while PASSIVE, never while ACTIVE. Memory is bounded.
   */
  passiveNotice(key: string): boolean {
    if (this.isActive()) return false;
    const isSent = this.#notices.take(key, this.#settled.clock.mono());
    if (this.listenerCount('notice') > 0) this.#delivery.send('notice', { isSent });
    return isSent;
  }

  /** What it knows of itself at this moment: for a health check, a metric, a page. */
  standing(): Standing {
    const { rules, clock } = this.#settled;
    const { state } = this.#lifecycle.runtime;
    const now = instantOf(clock);
    const tenure = tenureOf(state, now);
    const { name: _, instance, label } = this;
    const isActive = this.isActive();
    return {
      state: this.state,
      token: tenure?.token,
      validForMs: this.#validForMs(),
      lastBeatAgeMs: tenure?.lastBeatAgeMs,
      ttlMs: rules.ttlMs,
      heartbeatMs: rules.heartbeatMs,
      isConnected: isConnected(state),
      failures: state.failures,
      leader:
        isActive && tenure !== undefined
          ? { token: tenure.token, instance, label }
          : knownLeader(state, now),
    };
  }

  #refuseStart(): Promise<void> {
    const error = selfWait(this.name);
    const { code, message: reason } = error;
    this.#logger.warn({ code, reason }, 'did not start within work');
    const refused = Promise.reject(error);
    refused.catch(() => {}); // unheard, it would end the process; whoever awaits it has it all the same
    return refused;
  }

  #validForMs(): number {
    const { phase } = this.#lifecycle.runtime.state;
    if (phase.is !== 'active') return 0;
    return leftMs(trustedUntil(phase.trusted, this.#settled.rules), this.#settled.clock);
  }
}
