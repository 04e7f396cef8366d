import { EventEmitter } from 'node:events';
import { callable } from './checks.ts';
import { type Control, ControlLink } from './control.ts';
import { isLockdError, LockdError, messageOf } from './errors.ts';
import { Delivery } from './events.ts';
import { Gate } from './gate.ts';
import { type Logger, withFields } from './log.ts';
import { trustedUntil } from './machine/tenure.ts';
import { Notices } from './notices.ts';
import type { Settled } from './options.ts';
import { beginRun, type Run } from './run.ts';
import { leftMs, Runtime } from './runtime.ts';
import {
  type ControllerEvents,
  type ControllerParts,
  type ControllerState,
  type Gated,
  isForced,
  type LeaveOptions,
} from './surface.ts';
import type { Term } from './term.ts';
import { eachTerm, nextTerm, Prospect, type WaitOptions, whileActive } from './waiting.ts';
import { Work } from './work.ts';

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
  readonly #settled: Settled;
  readonly #parts: ControllerParts;
  readonly #logger: Logger;
  readonly #control: Control;
  readonly #runtime: Runtime;
  readonly #work = new Work();
  readonly #prospect = new Prospect();
  readonly #notices: Notices;
  readonly #delivery: Delivery<ControllerEvents>;
  readonly #gate: Gate;
  #run: Run | undefined;
  /** How often stop() was called: a start that waits compares it. */
  #stops = 0;

  constructor(settled: Settled, parts: ControllerParts) {
    super();
    this.setMaxListeners(0); // every wait for a term listens
    this.#settled = settled;
    const { candidate, rules, logger, noticeIntervalMs } = settled;
    this.#parts = parts;
    this.name = candidate.name;
    this.instance = candidate.instance;
    this.label = candidate.label;
    this.watcherId = candidate.instance.slice(0, 8);
    this.#logger = withFields(logger, {
      name: candidate.name,
      instance: candidate.instance,
      watcher: this.watcherId,
    });
    this.#notices = new Notices(noticeIntervalMs);
    this.#delivery = new Delivery(this, (event, error) =>
      this.#logger.error({ event, reason: messageOf(error) }, 'a listener failed'),
    );
    this.#gate = new Gate({
      name: this.name,
      instance: this.instance,
      logger: this.#logger,
      work: this.#work,
      delivery: this.#delivery,
      validForMs: () => this.#validForMs(),
    });
    this.#control =
      parts.control ??
      new ControlLink({ ...rules, ...settled, store: parts.store, logger: this.#logger });
    this.#runtime = new Runtime({
      ...this.#settled,
      store: parts.store,
      control: this.#control,
      witness: parts.witness,
      logger: this.#logger,
      host: {
        openGate: (token) => this.#gate.open(token),
        endTerm: (reason, cause) => this.#gate.close(reason, cause),
        left: ({ token, isLost }) => this.#gate.letGo(token, isLost),
        settle: (error) =>
          error === undefined ? this.#run?.settled.resolve() : this.#run?.settled.reject(error),
        halt: () => {
          // Work left by a forced stop may finish before the next run has begun to campaign.
          if (this.#run?.isCampaigning) this.#run.halted.resolve();
        },
        observe: ({ lease: { token, instance, label } }) => {
          this.#logger.info({ token, leader: label }, 'observed a leader');
          this.#delivery.send('observed', { token, instance, label });
        },
        attempt: ({ attempt, waitMs }) => this.#delivery.send('attempt', { attempt, waitMs }),
        warn: ({ code, message, error, fields }) => {
          const told = isLockdError(error) ? error.code : code;
          this.#logger.warn({ code: told, ...fields }, message);
          const said = error === undefined ? message : `${message}: ${messageOf(error)}`;
          const warning = new LockdError(code, said, { cause: error ?? fields });
          this.#delivery.send('warning', isLockdError(error) ? error : warning);
        },
      },
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
    // Also while work that a forced stop gave up on still runs.
    if (this.#run === undefined) return 'stopped';
    const { phase } = this.#runtime.state;
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
   * first call; calling it while it stops starts anew afterwards.
   */
  start(): Promise<void> {
    const run = this.#run;
    if (run?.stopped !== undefined) return this.#startAfter(run.stopped);
    if (run !== undefined) return run.started;
    this.#prospect.begin();
    const begun = beginRun();
    this.#run = begun;
    begun.started = this.#begin(begun);
    return begun.started;
  }

  /**
   * Closes the gate, aborts the term, lets work in flight finish, releases, disconnects. While work
   * does not finish it keeps the seat and does not settle; forced, it gives up after
   * `drainTimeoutMs`, and the successor waits for the lease to run out. Calling it again joins the
   * first call. Called by the work of `whileActive` or by a gated handler, it settles for that caller
   * when the gate is closed and the term aborted: the drain waits for the caller.
   */
  stop(options: LeaveOptions = {}): Promise<void> {
    const force = isForced(options);
    this.#stops += 1;
    const run = this.#run;
    if (run === undefined) {
      this.#prospect.end(); // of a start that will not come
      return Promise.resolve();
    }
    this.#runtime.dispatch({ is: 'stop', isForced: force });
    run.stopped ??= this.#end(run);
    return this.#work.isAsking ? Promise.resolve() : run.stopped;
  }

  /** The last word counts: a start that waits for an earlier stop gives way to a later one. */
  async #startAfter(stopped: Promise<void>): Promise<void> {
    const stops = this.#stops;
    await stopped;
    if (this.#stops !== stops) throw this.#stoppedEarly();
    await this.start();
  }

  /**
   * Leaves on purpose and campaigns again after a pause, so that whoever waits has the seat. Settles
   * when the seat is let go; for work that calls it, as `stop()` does.
   */
  async resign(options: LeaveOptions = {}): Promise<void> {
    this.#runtime.dispatch({ is: 'resign', isForced: isForced(options) });
    if (!this.#work.isAsking) await this.#gate.left();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /**
   * Resolves with the term as soon as the gate is open; at once when it is. Before the first start()
   * it waits for that, too. Rejects with the signal's own reason, or with `LOCKD_STOPPED` when the
   * controller is stopped or its start was refused, and until it is started again.
   */
  whenActive(options: WaitOptions = {}): Promise<Term> {
    return nextTerm(this, this.#prospect.ended, undefined, options);
  }

  /**
   * Every term of this controller, one after the other, until it is stopped. The loop's body counts
   * as work in flight: the seat is kept until it asks for the next term. In it, do not await `stop()`
   * or `resign()`, which wait for it. Before the first start() it waits for that, too.
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
    return !this.isActive() && this.#notices.take(key, this.#settled.clock.mono());
  }

  async #begin(run: Run): Promise<void> {
    const { witness } = this.#parts;
    try {
      await witness?.start();
      if (run.stopped !== undefined) throw this.#stoppedEarly();
      this.#control.start((notice) => this.#runtime.dispatch({ is: 'noticed', notice }));
      this.#logger.info({ label: this.label }, 'started');
      run.isCampaigning = true;
      this.#runtime.dispatch({ is: 'start' });
      await run.settled.promise;
      const refusal = await this.#refusal();
      if (refusal === undefined) return;
      this.#runtime.dispatch({ is: 'stop', isForced: false });
      await run.halted.promise;
      throw refusal;
    } catch (error) {
      if (run.stopped === undefined) {
        await this.#letGo();
        this.#prospect.end();
        this.#delivery.send('stopped');
      }
      throw error;
    }
  }

  /** Why there will be no control session. Not waited for where the seat has no session either. */
  async #refusal(): Promise<LockdError | undefined> {
    return this.#runtime.state.phase.is === 'cooling' ? undefined : this.#control.refusal();
  }

  async #end(run: Run): Promise<void> {
    run.started.catch(() => {}); // whoever called start() hears of it; nobody else has to
    if (run.isCampaigning) {
      await run.halted.promise;
      run.settled.reject(this.#stoppedEarly());
    } else {
      await run.started.catch(() => {});
    }
    await this.#letGo();
    this.#logger.info({}, 'stopped');
    this.#prospect.end();
    this.#delivery.send('stopped');
  }

  async #letGo(): Promise<void> {
    await this.#control.stop();
    await this.#parts.witness?.stop();
    this.#run = undefined;
  }

  #stoppedEarly(): LockdError {
    return new LockdError(
      'LOCKD_STOPPED',
      `The controller of "${this.name}" was stopped before its first attempt was answered.`,
    );
  }

  #validForMs(): number {
    const { phase } = this.#runtime.state;
    if (phase.is !== 'active') return 0;
    return leftMs(trustedUntil(phase.trusted, this.#settled.rules), this.#settled.clock);
  }
}
