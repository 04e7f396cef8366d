import type { Clock } from '../clock.ts';
import { type Deferred, deferred } from '../deferred.ts';
import { onAbort } from './aborts.ts';

/** The reason of a patience whose time ran out. */
export const overdue: unique symbol = Symbol('overdue');

/** How long somebody waits: until a time, until a signal aborts, until somebody ends it. */
export class Patience {
  readonly #ended: Deferred<never> = deferred();
  #over: AbortController | undefined;
  #end: { readonly reason: unknown } | undefined;
  readonly #clock: Clock;
  #forgetTime: () => void = () => {};
  #forgetSignal: () => void = () => {};

  /** `waitMs` may be Infinity. */
  constructor(clock: Clock, waitMs: number, signal: AbortSignal | undefined) {
    this.#clock = clock;
    this.#ended.promise.catch(() => {}); // heard where something is waited for
    this.until(clock.mono() + waitMs);
    if (signal !== undefined) this.#forgetSignal = onAbort(signal, () => this.end(signal.reason));
  }

  /** Another time than was said before: on the monotonic clock, or Infinity. */
  until(at: number): void {
    this.#forgetTime();
    if (Number.isFinite(at)) this.#forgetTime = this.#clock.setTimer(at, () => this.end(overdue));
  }

  /** Aborted when it is over, for those who hold on to something meanwhile. */
  get signal(): AbortSignal {
    this.#over ??= new AbortController(); // few ever ask for it
    if (this.#end !== undefined) this.#over.abort(this.#end.reason);
    return this.#over.signal;
  }

  /** What is waited for, or the reason why it is not any more. */
  of<Value>(promise: Promise<Value>): Promise<Value> {
    return Promise.race([promise, this.#ended.promise]);
  }

  throwIfOver(): void {
    if (this.#end !== undefined) throw this.#end.reason;
  }

  /** The first reason wins. */
  end(reason: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { reason };
    this.#ended.reject(reason);
    this.#over?.abort(reason);
  }

  /** Nothing is waited for any more. */
  done(): void {
    this.#forgetTime();
    this.#forgetSignal();
  }
}
