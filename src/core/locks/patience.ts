import type { Clock } from '../clock.ts';
import { type Deferred, deferred } from '../deferred.ts';

/** How long somebody waits: until a time, until a signal aborts. */
export class Patience {
  readonly #ended: Deferred<never> = deferred();
  readonly #over = new AbortController();
  readonly #signal: AbortSignal | undefined;
  readonly #abort = (): void => this.#end(this.#signal?.reason);
  #cancelTimer: () => void = () => {};

  /** `waitMs` may be Infinity. `overdue` makes the reason where the time ran out. */
  constructor(
    clock: Clock,
    waitMs: number,
    signal: AbortSignal | undefined,
    overdue: () => unknown,
  ) {
    this.#ended.promise.catch(() => {}); // heard where something is waited for
    this.#signal = signal;
    if (Number.isFinite(waitMs)) {
      this.#cancelTimer = clock.setTimer(clock.mono() + waitMs, () => this.#end(overdue()));
    }
    if (signal?.aborted) this.#abort();
    else signal?.addEventListener('abort', this.#abort, { once: true });
  }

  /** Aborted when it is over, for those who hold on to something meanwhile. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** What is waited for, or the reason why it is not any more. */
  of<Value>(promise: Promise<Value>): Promise<Value> {
    return Promise.race([promise, this.#ended.promise]);
  }

  /** Nothing is waited for any more. */
  done(): void {
    this.#cancelTimer();
    this.#signal?.removeEventListener('abort', this.#abort);
  }

  #end(reason: unknown): void {
    this.#ended.reject(reason);
    this.#over.abort(reason);
  }
}
