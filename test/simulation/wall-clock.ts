import type { World } from './world.ts';

interface WallTimer {
  readonly at: number;
  readonly callback: () => void;
  unset: () => void;
}

/** The server's wall clock. Its timers compare with it, so a step makes them early or late. */
export class WallClock {
  readonly #world: World;
  readonly #timers = new Set<WallTimer>();
  #offset = 1_700_000_000_000;

  constructor(world: World) {
    this.#world = world;
  }

  now(): number {
    return this.#offset + this.#world.now;
  }

  step(byMs: number): void {
    this.#offset += byMs;
    for (const timer of this.#timers) {
      timer.unset();
      this.#set(timer);
    }
  }

  setTimer(ms: number, callback: () => void): () => void {
    const timer: WallTimer = { at: this.now() + ms, callback, unset: () => {} };
    this.#timers.add(timer);
    this.#set(timer);
    return () => {
      timer.unset();
      this.#timers.delete(timer);
    };
  }

  #set(timer: WallTimer): void {
    timer.unset = this.#world.after(timer.at - this.now(), () => {
      this.#timers.delete(timer);
      timer.callback();
    });
  }
}
