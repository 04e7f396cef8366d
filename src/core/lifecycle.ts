import { type Control, ControlLink } from './control.ts';
import { type Deferred, deferred } from './deferred.ts';
import { LockdError } from './errors.ts';
import type { Delivery } from './events.ts';
import type { Logger } from './log.ts';
import { isConnected } from './machine/standing.ts';
import type { Settled } from './options.ts';
import { type Host, Runtime } from './runtime.ts';
import { Standby } from './standby.ts';
import type { ControllerEvents, ControllerParts } from './surface.ts';
import type { Prospect } from './waiting.ts';

/** From one start() to the end of its stop(). */
interface Run {
  /** The first attempt has been answered. */
  readonly settled: Deferred<void>;
  /** The machine has let go of everything. */
  readonly halted: Deferred<void>;
  isCampaigning: boolean;
  started: Promise<void>;
  stopped: Promise<void> | undefined;
}

const beginRun = (): Run => ({
  settled: deferred(),
  halted: deferred(),
  isCampaigning: false,
  started: Promise.resolve(),
  stopped: undefined,
});

export interface LifecycleOptions {
  readonly settled: Settled;
  readonly parts: ControllerParts;
  readonly logger: Logger;
  readonly delivery: Delivery<ControllerEvents>;
  readonly prospect: Prospect;
  /** What the machine tells besides the answers to start() and stop(). */
  readonly host: Omit<Host, 'settle' | 'halt'>;
}

/** Starts and stops, in their order, all that a controller consists of: witness, control session, machine. */
export class Lifecycle {
  readonly runtime: Runtime;
  readonly #options: LifecycleOptions;
  readonly #control: Control;
  readonly #standby: Standby;
  #run: Run | undefined;
  /** How often stop() was called: a start that waits compares it. */
  #stops = 0;

  constructor(options: LifecycleOptions) {
    const { settled, parts, logger, host } = options;
    this.#options = options;
    this.#control =
      parts.control ??
      new ControlLink({ ...settled.rules, ...settled, store: parts.store, logger });
    this.#standby = new Standby({
      ...settled,
      instance: settled.candidate.instance,
      control: this.#control,
      logger,
      isEligible: settled.rules.isEligible,
      isConnected: () => isConnected(this.runtime.state),
    });
    this.runtime = new Runtime({
      ...settled,
      store: parts.store,
      control: this.#control,
      witness: parts.witness,
      logger,
      host: {
        ...host,
        attempt: (attempt) => {
          this.#standby.campaigns();
          host.attempt(attempt);
        },
        settle: (error) =>
          error === undefined ? this.#run?.settled.resolve() : this.#run?.settled.reject(error),
        halt: () => {
          // Work left by a forced stop may finish before the next run has begun to campaign.
          if (this.#run?.isCampaigning) this.#run.halted.resolve();
        },
      },
    });
  }

  /** True also while work that a forced stop gave up on still runs. */
  get isStopped(): boolean {
    return this.#run === undefined;
  }

  /** Stopped, or told to: what starts now waits for the work that is still in flight. */
  get isOver(): boolean {
    return this.#run === undefined || this.#run.stopped !== undefined;
  }

  start(): Promise<void> {
    const run = this.#run;
    if (run?.stopped !== undefined) return this.#startAfter(run.stopped);
    if (run !== undefined) return run.started;
    this.#options.prospect.begin();
    const begun = beginRun();
    this.#run = begun;
    begun.started = this.#begin(begun);
    return begun.started;
  }

  stop(isForced: boolean): Promise<void> {
    this.#stops += 1;
    const run = this.#run;
    if (run === undefined) {
      this.#options.prospect.end(); // of a start that will not come
      return Promise.resolve();
    }
    run.stopped ??= this.#end(run); // first: a listener that starts anew shall find it stopping
    this.runtime.dispatch({ is: 'stop', isForced });
    return run.stopped;
  }

  /** The last word counts: a start that waits for an earlier stop gives way to a later one. */
  async #startAfter(stopped: Promise<void>): Promise<void> {
    const stops = this.#stops;
    await stopped;
    if (this.#stops !== stops) throw this.#stoppedEarly();
    await this.start();
  }

  async #begin(run: Run): Promise<void> {
    const { settled, parts, logger } = this.#options;
    try {
      await parts.witness?.start();
      if (run.stopped !== undefined) throw this.#stoppedEarly();
      this.#control.start((notice) => {
        this.runtime.dispatch({ is: 'noticed', notice });
        this.#standby.hear(notice);
      });
      logger.info({ label: settled.candidate.label }, 'started');
      run.isCampaigning = true;
      this.runtime.dispatch({ is: 'start' });
      await run.settled.promise;
      const refusal = await this.#refusal();
      if (refusal === undefined) return;
      this.runtime.dispatch({ is: 'stop', isForced: false });
      await run.halted.promise;
      throw refusal;
    } catch (error) {
      if (run.stopped === undefined) {
        await this.#letGo();
        this.#tellStopped();
      }
      throw error;
    }
  }

  /** Why there will be no control session. Not waited for where the seat has no session either. */
  async #refusal(): Promise<LockdError | undefined> {
    return this.runtime.state.phase.is === 'cooling' ? undefined : this.#control.refusal();
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
    this.#options.logger.info({}, 'stopped');
    this.#tellStopped();
  }

  async #letGo(): Promise<void> {
    this.#standby.stop();
    await this.#control.stop();
    await this.#options.parts.witness?.stop();
    this.#run = undefined;
  }

  #tellStopped(): void {
    const { prospect, delivery } = this.#options;
    prospect.end();
    delivery.send('stopped');
  }

  #stoppedEarly(): LockdError {
    const { name } = this.#options.settled.candidate;
    return new LockdError(
      'LOCKD_STOPPED',
      `The controller of "${name}" was stopped before its first attempt was answered.`,
    );
  }
}
