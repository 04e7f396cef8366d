import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';

/**
 * A clock that a test moves. Nothing passes by itself: a lease of ten seconds takes as long as the
 * test says, and no timer of the process is set.
 *
 * Durations are in milliseconds. What waits for something real (a file, a socket, `setTimeout`) is
 * not waited for: await it in the test.
 */
export class FakeClock implements Clock {
  #mono = 1_000_000;
  #boot = 5_000_000;
  /** How many timers in a row had nothing to wait for. */
  #overdue = 0;
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  mono(): number {
    return this.#mono;
  }

  boot(): number {
    return this.#boot;
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#timers.size;
  }

  setTimer(at: number, callback: () => void): () => void {
    const timer = { at, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /**
   * Lets `ms` pass: what is due runs in the order of its time, each with all that it causes before
   * the next. `advance(0)` lets everything happen that waits for nothing but its turn. Throws where
   * timers are set for the past again and again.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#mono + ms;
    do await settle();
    while (this.#runNext(end));
    this.stall(end - this.#mono);
  }

  /**
   * Lets as much time pass as the promise takes, and resolves or rejects as it does: a successor's
   * `whenActive()`, a `stop()` that has to reconnect. Throws when `withinMs` were not enough.
   * Default: 600 000 ms.
   */
  async until<Value>(promise: Promise<Value>, withinMs = 600_000): Promise<Value> {
    const end = this.#mono + withinMs;
    let isSettled = false;
    const note = (): void => {
      isSettled = true;
    };
    promise.then(note, note);
    do await settle();
    while (!isSettled && this.#runNext(end));
    if (isSettled) return promise;
    throw new Error(`waited in vain for ${withinMs} ms of this clock`);
  }

  /** `ms` pass and no timer runs: a blocked event loop, a frozen process. */
  stall(ms: number): void {
    this.#mono += ms;
    this.#boot += ms;
  }

  /** The machine sleeps for `ms`: its timers and the monotonic clock stand still. */
  suspend(ms: number): void {
    this.#boot += ms;
  }

  /** False when nothing is due until then. */
  #runNext(end: number): boolean {
    const [next] = [...this.#timers].sort((one, other) => one.at - other.at);
    if (next === undefined || next.at > end) return false;
    this.#overdue = next.at > this.#mono ? 0 : this.#overdue + 1;
    if (this.#overdue > 1_000) throw new Error('timers are set for the past again and again');
    this.stall(Math.max(0, next.at - this.#mono));
    this.#timers.delete(next);
    next.callback();
    return true;
  }
}

/** A few turns of the event loop: after each one every promise that could go on has gone on. */
export async function settle(): Promise<void> {
  for (let turns = 0; turns < 3; turns += 1) await turn();
}
