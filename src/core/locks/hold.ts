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
  /** Its use is over: released, or lost and no longer trusted by anybody. Called once. */
  readonly over: (hold: Hold) => void;
  /** Called once, when it has ended otherwise than by `release()`. */
  readonly lost: (hold: Hold, error: LockdError) => void;
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
  readonly #begun: Instant;
  #until: Instant | undefined;
  #end: LockdError | undefined;
  #released: Promise<void> | undefined;
  #isOver = false;
  #abort: AbortController | undefined;
  #cancelTimer: () => void = () => {};
  #given: Promise<boolean> | undefined;

  constructor(facts: HoldFacts, parts: HoldParts) {
    this.resource = facts.resource;
    this.mode = facts.mode;
    this.owner = facts.owner;
    this.token = facts.token;
    this.slot = facts.slot;
    this.since = facts.since;
    this.#parts = parts;
    this.#begun = instantOf(parts.clock);
    if (parts.ttlMs !== undefined) this.#lastFor(parts.ttlMs);
  }

  /**
   * Aborts when the hold has ended otherwise than by `release()`; its `reason` is a LockdError with code
   * `LOCKD_HOLD_LOST`, `LOCKD_HOLD_EXPIRED` or `LOCKD_HOLD_ASKED`.
   */
  get signal(): AbortSignal {
    // Made when it is asked for: of ten thousand holds few are listened to.
    this.#abort ??= new AbortController();
    if (this.#end !== undefined && !this.#abort.signal.aborted) this.#abort.abort(this.#end);
    return this.#abort.signal;
  }

  /** Exact at the moment of the call, as a controller's `isActive()`; false on any doubt. */
  isHeld(): boolean {
    if (this.#released !== undefined || this.#end !== undefined) return false;
    return this.#leftMs() > 0 && this.#parts.term.isActive();
  }

  /** How much longer it may be held, in ms, by its `ttlMs`; Infinity without one, 0 when it is over. */
  leftMs(): number {
    return this.isHeld() ? this.#leftMs() : 0;
  }

  /**
   * May be held for `ms` from now, whatever was said before. Rejects with `LOCKD_HOLD_LOST` or
   * `LOCKD_HOLD_EXPIRED` where it is over.
   */
  async extend(ms: number): Promise<void> {
    duration('ms', ms, 1);
    if (!this.isHeld()) throw this.#end ?? this.#over();
    const heldMs = this.#parts.clock.mono() - this.#begun.mono;
    if (await this.#parts.describe(Math.ceil(heldMs + ms))) {
      if (this.isHeld()) this.#lastFor(ms);
      else throw this.#end ?? this.#over();
      return;
    }
    const lost = this.#over();
    this.lose(lost);
    throw lost;
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

  /** @internal Ends it for its holder: the signal aborts. The first reason wins. */
  lose(error: LockdError): void {
    if (this.#released !== undefined || this.#end !== undefined) return;
    this.#end = error;
    this.#cancelTimer();
    this.#abort?.abort(error);
    this.#parts.lost(this, error);
  }

  /** @internal Why it has ended, unless its holder has released it. */
  get end(): LockdError | undefined {
    return this.#end;
  }

  /** @internal */
  hangsOn(term: Term): boolean {
    return this.#parts.term === term;
  }

  /** @internal Nobody else waits for its holder: it is given back, or was taken away. */
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

  #leftMs(): number {
    return this.#until === undefined
      ? Number.POSITIVE_INFINITY
      : leftMs(this.#until, this.#parts.clock);
  }

  #lastFor(ms: number): void {
    const { clock, keepAlive, ttlMs } = this.#parts;
    const { mono, boot } = instantOf(clock);
    this.#until = { mono: mono + ms, boot: boot + ms };
    this.#cancelTimer();
    const expire = (): void => this.#expire(ms);
    if (!keepAlive || ttlMs === undefined) {
      this.#cancelTimer = clock.setTimer(mono + ms, expire);
      return;
    }
    this.#cancelTimer = clock.setTimer(mono + ms / 2, () => {
      this.#cancelTimer = clock.setTimer(mono + ms, expire);
      this.extend(ttlMs).catch(() => {}); // until then it may be tried again by hand
    });
  }

  /** Abort first, then give back: whoever has it next has it after its holder was told. */
  #expire(ms: number): void {
    const { resource } = this;
    this.lose(
      new LockdError(
        'LOCKD_HOLD_EXPIRED',
        `The hold of ${JSON.stringify(resource)} has ended: its ${Math.round(ms)} ms are over. Ask for more with \`ttlMs\`, \`extend()\` or \`keepAlive\`.`,
      ),
    );
    void this.#giveBack().then(() => this.finish());
  }

  #giveBack(): Promise<boolean> {
    this.#given ??= this.#parts.giveBack();
    return this.#given;
  }

  #over(): LockdError {
    return new LockdError(
      'LOCKD_HOLD_LOST',
      `The hold of ${JSON.stringify(this.resource)} is over: ${this.#released !== undefined ? 'it was released' : 'its process has lost its lease'}.`,
    );
  }
}
