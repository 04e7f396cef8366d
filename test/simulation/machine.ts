import type { Clock } from '../../src/core/clock.ts';
import type { Process } from './process.ts';
import type { World } from './world.ts';

interface Timer {
  readonly at: number;
  readonly callback: () => void;
  /** Takes it out of the world's queue; while the machine sleeps it is in none. */
  unset: (() => void) | undefined;
}

/** The boot-time clock is read in hundredths of a second. */
const bootGrainMs = 10;

/**
 * A machine: two clocks that run a little fast or slow, are shared by its processes, and differ
 * after a suspend. Timers run on the monotonic one, so they sleep with it.
 */
export class Machine {
  readonly #world: World;
  readonly #rate: number;
  readonly #timers = new Set<Timer>();
  #sleptMs = 0;
  #asleepSince: number | undefined;

  constructor(world: World, rate: number) {
    this.#world = world;
    this.#rate = rate;
  }

  get isSuspended(): boolean {
    return this.#asleepSince !== undefined;
  }

  mono(): number {
    const awakeUntil = this.#asleepSince ?? this.#world.now;
    return 1_000_000 + (awakeUntil - this.#sleptMs) * this.#rate;
  }

  boot(): number {
    const exact = 5_000_000 + this.#world.now * this.#rate;
    return Math.floor(exact / bootGrainMs) * bootGrainMs;
  }

  suspend(): void {
    if (this.#asleepSince !== undefined) return;
    this.#asleepSince = this.#world.now;
    for (const timer of this.#timers) timer.unset?.();
  }

  resume(): void {
    if (this.#asleepSince === undefined) return;
    this.#sleptMs += this.#world.now - this.#asleepSince;
    this.#asleepSince = undefined;
    for (const timer of this.#timers) this.#set(timer);
  }

  /** The clock as one of its processes uses it: frozen, it learns of its timers later. */
  clockFor(process: Process): Clock {
    return {
      mono: () => this.mono(),
      boot: () => this.boot(),
      setTimer: (at, callback) => {
        let isCancelled = false;
        const timer: Timer = {
          at,
          callback: () => process.deliver(() => (isCancelled ? undefined : callback())),
          unset: undefined,
        };
        this.#timers.add(timer);
        if (!this.isSuspended) this.#set(timer);
        return () => {
          isCancelled = true;
          timer.unset?.();
          this.#timers.delete(timer);
        };
      },
    };
  }

  #set(timer: Timer): void {
    // A hair late: never before its time by the clock that it was set on.
    const inMs = (timer.at - this.mono()) / this.#rate + 0.001;
    timer.unset = this.#world.after(Math.max(0.001, inMs), () => {
      this.#timers.delete(timer);
      timer.callback();
    });
  }
}
