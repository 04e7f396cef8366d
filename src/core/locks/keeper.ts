import { LockdError } from '../errors.ts';
import type { LeaveOptions } from '../surface.ts';
import type { Term } from '../term.ts';
import { Acquiring, type Had, type Refused } from './acquiring.ts';
import { Hold } from './hold.ts';
import { Housekeeping } from './housekeeping.ts';
import { Leaving } from './leaving.ts';
import type { LockManagerParts } from './manager.ts';
import type { Request } from './options.ts';
import { asOwner } from './owners.ts';
import * as refusals from './refusals.ts';
import { RollCall } from './roll-call.ts';
import { type Outcome, Stats } from './stats.ts';
import type { HoldNotice } from './store.ts';
import type { LockEvents } from './surface.ts';
import { Waits } from './waits.ts';

export interface KeeperOptions extends LockManagerParts {
  readonly tell: <Name extends keyof LockEvents>(event: Name, ...args: LockEvents[Name]) => void;
}

/** Keeps the holds of a process from their grant to their end, and joins them to its lease. */
export class Keeper {
  readonly stats: Stats = new Stats();
  readonly #options: KeeperOptions;
  readonly #waits: Waits;
  readonly #leaving: Leaving;
  readonly #acquiring: Acquiring;
  readonly #holds = new Map<string, Hold>();
  readonly #rollCall: RollCall;
  readonly #housekeeping: Housekeeping;
  #stopping: LockdError | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
    const { lease, tell } = options;
    this.#waits = new Waits({ ...options, report: (error) => this.#report(error) });
    this.#leaving = new Leaving({ ...options, isOver: (term) => lease.isOver(term) });
    this.#acquiring = new Acquiring({
      ...options,
      waits: this.#waits,
      leaving: this.#leaving,
      term: () => lease.term,
      nextTerm: (signal) => this.#nextTerm(signal),
      contended: ({ resource, mode, owner }, holders) =>
        tell('resource.contended', { resource, mode, owner, holders }),
    });
    this.#rollCall = new RollCall({
      ...options,
      holds: this.#holds,
      gone: (hold) => hold.lose(takenAway(hold)),
    });
    this.#housekeeping = new Housekeeping(options);
    lease.listen({
      heard: (notice) => this.#hear(notice),
      ended: (term, error) => this.#end(term, error),
      lapsed: (term) => this.#lapse(term),
      warned: (error) => tell('warning', error),
    });
  }

  throwIfStopped(): void {
    if (this.#stopping !== undefined) throw this.#stopping;
  }

  /** With the session that the first acquire needs: it is made already when the lease is had. */
  async start(): Promise<void> {
    this.throwIfStopped();
    const { lease, store } = this.#options;
    await lease.start();
    if (lease.term !== undefined) await store.beats([]).catch(() => {}); // whoever needs it hears why
  }

  async request(request: Request): Promise<Hold | Refused> {
    this.throwIfStopped();
    const { clock } = this.#options;
    const { resource, mode, signal } = request;
    const begun = clock.mono();
    this.stats.begin(resource, mode);
    const count = (what: Outcome, hold?: Hold): void => this.#count(what, request, begun, hold);
    try {
      const outcome = await this.#acquiring.acquire(request, (...grant) =>
        this.#hold(request, (hold) => count('acquired', hold), ...grant),
      );
      if (!(outcome instanceof Hold)) count('timed out');
      return outcome;
    } catch (error) {
      const isGivenUp = signal?.aborted === true && error === signal.reason;
      count(isGivenUp || refusals.isOverdue(error) ? 'timed out' : 'failed');
      throw error;
    }
  }

  /** The routine's own error comes first; then why it was not alone, if so. */
  async run<Result>(
    hold: Hold,
    routine: (hold: Hold) => Promise<Result> | Result,
  ): Promise<Result> {
    let result: Result;
    try {
      result = await asOwner(hold.owner, this, () => routine(hold));
    } catch (error) {
      await hold.release();
      throw error;
    }
    const loss = await hold.conclude();
    if (loss !== undefined) throw loss;
    return result;
  }

  stop(options: LeaveOptions): Promise<void> {
    const { lease } = this.#options;
    this.#stopping ??= new LockdError('LOCKD_STOPPED', 'The lock manager was stopped.');
    this.#housekeeping.close();
    this.#acquiring.giveUp(this.#stopping);
    const left = lease.stop(options);
    if (this.#holds.size === 0) this.#housekeeping.leave();
    this.#stopped ??= this.#stop(left);
    return this.#stopped;
  }

  async #stop(left: Promise<void>): Promise<void> {
    await left;
    await this.#housekeeping.settled();
    this.#waits.close();
    this.#rollCall.close();
    // Of a forced stop: they go on, and nothing is left that kept others out.
    const error = new LockdError('LOCKD_HOLD_LOST', 'The lock manager was stopped by force.');
    for (const hold of this.#holds.values()) hold.lose(error);
    await this.#leaving.settled();
    await this.#options.store.close();
  }

  #count(what: Outcome, request: Request, since: number, hold: Hold | undefined): void {
    const { clock, tell } = this.#options;
    const { resource, mode, owner } = request;
    const tookMs = clock.mono() - since;
    this.stats.end(what, resource, mode, owner, tookMs);
    tell('resource.operation', { what, resource, mode, owner, tookMs, hold });
  }

  #hold(
    request: Request,
    acquired: (hold: Hold) => void,
    ...[wanted, term, { token, slot }]: Parameters<Had>
  ): Hold {
    const { clock, store, lease, tell } = this.#options;
    const { resource, mode, owner, details, ttlMs, keepAlive } = request;
    const begun = clock.mono();
    const count = (what: Outcome, ended: Hold): void => this.#count(what, request, begun, ended);
    const finish = lease.keep(term);
    const hold = new Hold(
      { resource, mode, owner, token, slot, since: new Date() },
      {
        clock,
        term,
        ttlMs,
        keepAlive,
        giveBack: () => this.#leaving.giveBack(wanted, term),
        describe: (lastsMs) =>
          store.describe(resource, wanted.request, { ...details, ttlMs: lastsMs }),
        lost: (lost, error) => {
          count('lost', lost);
          tell('resource.lost', lost, error);
        },
        over: (over) => {
          this.#holds.delete(wanted.request);
          finish();
          if (this.#stopping !== undefined && this.#holds.size === 0) this.#housekeeping.leave();
          if (over.isLost) return;
          count('released', over);
          tell('resource.unlocked', over);
        },
      },
    );
    this.#holds.set(wanted.request, hold);
    this.#rollCall.begin();
    this.#housekeeping.begin();
    acquired(hold);
    tell('resource.locked', hold);
    return hold;
  }

  #hear(notice: HoldNotice): void {
    if (notice.is === 'granted') {
      this.#waits.granted(notice.request, notice);
      return;
    }
    const hold = this.#holds.get(notice.request);
    if (hold === undefined) return;
    const { by, reason } = notice;
    const what = `The hold of ${JSON.stringify(hold.resource)} was`;
    if (notice.is === 'asked') {
      hold.ask(new LockdError('LOCKD_HOLD_ASKED', `${what} asked back by ${by}: ${reason}.`));
    } else {
      hold.lose(new LockdError('LOCKD_HOLD_LOST', `${what} taken away by ${by}: ${reason}.`));
      hold.finish();
    }
  }

  /** Holders are told before anybody else can know. */
  #end(term: Term, error: LockdError): void {
    const isLost = this.#options.lease.isOver(term);
    for (const hold of this.#holds.values()) {
      if (!hold.hangsOn(term)) continue;
      if (isLost) hold.lose(error);
      else hold.ask(error);
    }
    this.#waits.move();
  }

  #lapse(term: Term): void {
    for (const hold of this.#holds.values()) if (hold.hangsOn(term)) hold.finish();
  }

  async #nextTerm(signal: AbortSignal): Promise<Term> {
    const { lease } = this.#options;
    this.throwIfStopped();
    await lease.start();
    return lease.next(signal);
  }

  #report(error: LockdError): void {
    const { logger, tell } = this.#options;
    logger.warn({ code: error.code, reason: error.message }, 'waits for long');
    tell('warning', error);
  }
}

const takenAway = ({ resource }: Hold): LockdError =>
  new LockdError(
    'LOCKD_HOLD_LOST',
    `The hold of ${JSON.stringify(resource)} was taken away, and the news of it did not arrive.`,
  );
