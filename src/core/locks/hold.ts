import { duration } from '../checks.ts';
import { type Clock, type Instant, instantOf, leftMs } from '../clock.ts';
import { LockdError } from '../errors.ts';
import type { Term } from '../term.ts';
import type { Grant, Mode } from './store.ts';

export interface HoldFacts extends Grant {
  readonly resource: string;
  readonly mode: Mode;
  readonly owner: string;
  readonly since: Date;
}

export interface HoldParts {
  readonly clock: Clock;
  /** Of the process: a hold is never trusted longer than its lease. */
  readonly term: Term;
  readonly ttlMs: number | undefined;
  readonly keepAlive: boolean;
  /** Gives it back to the server; false where there was nothing left to give back. */
  readonly giveBack: () => Promise<boolean>;
  /** Tells people how long it is wanted, counted from its grant; false where it is lost. */
  readonly describe: (ttlMs: number) => Promise<boolean>;
  /** Called once, when it has ended otherwise than by `release()`. */
  readonly lost: (hold: Hold, error: LockdError) => void;
  /** Its use is over: released, or lost and no longer trusted by anybody. Called once. */
  readonly over: (hold: Hold) => void;
}

/**
 * One granted resource lock. Ends at `release()`, when its time is up, or with the lease of its process:
 * then `signal` aborts, before anybody else can have the resource.
 */
export class Hold implements AsyncDisposable {
  /** What is held. */
  readonly resource: string;
  /** How. */
  readonly mode: Mode;
  /** For whom. */
  readonly owner: string;
  /** The fencing token: greater than that of every earlier hold of this resource. For `assertFence`. */
  readonly token: bigint;
  /** Which place: 0 for an exclusive hold, from 1 for a shared one or a permit. */
  readonly slot: number;
  /** By this machine's clock, for people. */
  readonly since: Date;
  readonly #parts: HoldParts;
  readonly #begun: number;
  #until: Instant | undefined;
  /** Why its signal has aborted. */
  #end: LockdError | undefined;
  #isLost = false;
  #isOver = false;
  #abort: AbortController | undefined;
  #cancelTimer: () => void = () => {};
  #given: Promise<boolean> | undefined;
  #released: Promise<void> | undefined;

  constructor(facts: HoldFacts, parts: HoldParts) {
    this.resource = facts.resource;
    this.mode = facts.mode;
    this.owner = facts.owner;
    this.token = facts.token;
    this.slot = facts.slot;
    this.since = facts.since;
    this.#parts = parts;
    this.#begun = parts.clock.mono();
    if (parts.ttlMs !== undefined) this.#lastFor(parts.ttlMs);
  }

  /**
   * Aborts when the hold has ended otherwise than by `release()`, or shall end; its `reason` is a
   * LockdError: `LOCKD_HOLD_LOST` and `LOCKD_HOLD_EXPIRED` when it has ended, `LOCKD_HOLD_ASKED` when
   * somebody asks for it (`forceRelease`), or the manager stops: then there is time to finish, and to
   * let go.
   */
  get signal(): AbortSignal {
    // Made when it is asked for: of ten thousand holds few are listened to.
    this.#abort ??= new AbortController();
    if (this.#end !== undefined) this.#abort.abort(this.#end);
    return this.#abort.signal;
  }

  /**
   * Exact at the moment of the call, as a controller's `isActive()`. False on any doubt, and once it was
   * asked back.
   */
  isHeld(): boolean {
    return this.#isOurs() && this.#end === undefined && this.#parts.term.isActive();
  }

  /** How much longer it may be held, in ms, by its `ttlMs`; Infinity without one, 0 when it is over. */
  leftMs(): number {
    return this.isHeld() ? this.#leftMs() : 0;
  }

  /**
   * May be held for `ms` from now, longer or shorter than was said before: up to a day. Rejects with
   * `LOCKD_HOLD_LOST` or `LOCKD_HOLD_EXPIRED` where it is over, and as a call does where the server
   * cannot be told; then it may be held for as long as before.
   */
  async extend(ms: number): Promise<void> {
    duration('ms', ms, 1);
    this.#throwUnlessOurs();
    const heldMs = this.#parts.clock.mono() - this.#begun;
    const isThere = await this.#parts.describe(Math.ceil(heldMs + ms));
    if (!isThere && this.#released === undefined) this.lose(this.#gone('it is not there any more'));
    this.#throwUnlessOurs();
    this.#lastFor(ms);
  }

  /**
   * Gives it back; whoever waits has it at once. Settles when the server has it, or when there is nothing
   * left to give back. Calling it again, or after a loss, changes nothing. Never rejects.
   */
  release(): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** @internal Its holder shall let go of it, and has the time to. The first reason is the signal's. */
  ask(error: LockdError): void {
    if (this.#released !== undefined || this.#end !== undefined) return;
    this.#end = error;
    this.#abort?.abort(error);
  }

  /** @internal It has ended, whatever its holder does. */
  lose(error: LockdError): void {
    if (this.#released !== undefined || this.#isLost) return;
    this.#isLost = true;
    this.#cancelTimer();
    this.ask(error);
    this.#parts.lost(this, error);
  }

  /** @internal Released; and why its holder was not alone with it to the end, if so. */
  async conclude(): Promise<LockdError | undefined> {
    const wasHeld = this.isHeld();
    if (this.#released === undefined && this.#leftMs() <= 0) this.#expire();
    await this.release();
    if (wasHeld) return undefined;
    // Asked for, or doubted: whether it was there until now is what the server has answered.
    const wasThere = !this.#isLost && (await this.#giveBack());
    return wasThere ? undefined : (this.#end ?? this.#gone('the lease of its process has ended'));
  }

  /** @internal */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** @internal */
  hangsOn(term: Term): boolean {
    return this.#parts.term === term;
  }

  /** @internal Nobody waits for its holder any more: it is given back, or was taken away. */
  finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#parts.over(this);
  }

  async #release(): Promise<void> {
    this.#cancelTimer();
    await this.#giveBack();
    this.finish();
  }

  #giveBack(): Promise<boolean> {
    this.#given ??= this.#parts.giveBack();
    return this.#given;
  }

  #isOurs(): boolean {
    return this.#released === undefined && !this.#isLost && this.#leftMs() > 0;
  }

  /** Asked back it is ours still: a routine that finishes may need more time for that. */
  #throwUnlessOurs(): void {
    const { term } = this.#parts;
    if (this.#isOurs() && (term.isActive() || this.#end !== undefined)) return;
    if (this.#released !== undefined) throw this.#gone('it was released');
    if (this.#leftMs() <= 0) this.#expire();
    throw this.#end ?? this.#gone('the lease of its process has ended');
  }

  #leftMs(): number {
    return this.#until === undefined
      ? Number.POSITIVE_INFINITY
      : leftMs(this.#until, this.#parts.clock);
  }

  #lastFor(ms: number): void {
    const { mono, boot } = instantOf(this.#parts.clock);
    this.#until = { mono: mono + ms, boot: boot + ms };
    this.#cancelTimer();
    this.#arm(this.#until.mono, ms);
  }

  /** Kept alive, it is extended at half of its time; where that fails, at half of what is left. */
  #arm(until: number, ms: number): void {
    const { clock, keepAlive, ttlMs } = this.#parts;
    const now = clock.mono();
    if (!keepAlive || ttlMs === undefined || until - now <= ms / 16) {
      this.#cancelTimer = clock.setTimer(until, () => this.#expire());
      return;
    }
    this.#cancelTimer = clock.setTimer((now + until) / 2, () => {
      this.#arm(until, ms);
      this.extend(ttlMs).catch(() => {});
    });
  }

  /** Abort first, then give back: whoever has it next has it after its holder was told. */
  #expire(): void {
    const heldMs = Math.round(this.#parts.clock.mono() - this.#begun);
    this.lose(
      new LockdError(
        'LOCKD_HOLD_EXPIRED',
        `The hold of ${JSON.stringify(this.resource)} has ended after ${heldMs} ms: its time is up. Ask for more with \`ttlMs\`, \`extend()\` or \`keepAlive\`.`,
      ),
    );
    void this.#giveBack().then(() => this.finish());
  }

  #gone(why: string): LockdError {
    return new LockdError(
      'LOCKD_HOLD_LOST',
      `The hold of ${JSON.stringify(this.resource)} is over: ${why}.`,
    );
  }
}
