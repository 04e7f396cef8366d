import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../src/core/clock.ts';

/** A clock that a test moves: timers run in order, each with whatever it causes, before the next. */
export class FakeClock implements Clock {
  #mono = 1_000_000;
  #boot = 5_000_000;
  readonly #timers = new Set<{ at: number; callback: () => void }>();

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

  async advance(ms: number): Promise<void> {
    const until = this.#mono + ms;
    for (let idle = 0; ; ) {
      await settle();
      const [next] = [...this.#timers].sort((one, other) => one.at - other.at);
      if (next === undefined || next.at > until) break;
      idle = next.at > this.#mono ? 0 : idle + 1;
      if (idle > 1_000) throw new Error('timers are set for the past again and again');
      this.skip(Math.max(0, next.at - this.#mono));
      this.#timers.delete(next);
      next.callback();
    }
    this.skip(until - this.#mono);
  }

  /** Time passes without any timer: a blocked event loop, a frozen process. */
  skip(ms: number): void {
    this.#mono += ms;
    this.#boot += ms;
  }

  /** The machine sleeps: timers and the monotonic clock stand still. */
  suspend(ms: number): void {
    this.#boot += ms;
  }
}

/** Lets everything run that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turns = 0; turns < 3; turns += 1) await turn();
}
