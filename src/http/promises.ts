import { systemClock } from '../core/clock.ts';
import type { SingletonLockController } from '../core/controller.ts';
import { type Deferred, deferred } from '../core/deferred.ts';
import type { Standing } from '../core/surface.ts';

/** A clock that is kept to 1 %, as the lease's margin has it, and the grain of a timer. */
const heldForMs = (promisedMs: number): number => promisedMs * 1.01 + 10;

/**
 * Whoever is told that this instance leads acts on it for a while without asking again. That while is a
 * promise: as long as one is out, the seat is kept, because it counts as work in flight. So a term that
 * ends on purpose, and one whose session is lost, is over for others when the last promise is.
 *
 * None of them outlasts the lease: a process that dies, or gives up a drain by force, leaves a
 * successor who waits for that.
 */
export class Promises {
  readonly #controller: SingletonLockController;
  readonly #mostMs: number;
  /** On the monotonic clock. */
  #until = Number.NEGATIVE_INFINITY;
  #kept: Deferred<void> | undefined;
  #cancelTimer: () => void = () => {};

  constructor(controller: SingletonLockController, mostMs: number) {
    this.#controller = controller;
    this.#mostMs = mostMs;
  }

  /** What there is to tell, and for how long it may be acted on; undefined: it does not lead. */
  give(): { readonly standing: Standing; readonly validForMs: number | undefined } {
    const standing = this.#controller.standing();
    if (!(standing.validForMs > 0)) return { standing, validForMs: undefined };
    const validForMs = Math.floor(Math.min(standing.validForMs, this.#mostMs));
    this.#keep(validForMs);
    return { standing, validForMs };
  }

  #keep(promisedMs: number): void {
    const until = systemClock.mono() + heldForMs(promisedMs);
    this.#until = Math.max(this.#until, until);
    if (this.#kept !== undefined || promisedMs === 0) return;
    this.#kept = deferred();
    this.#controller.on('stopped', this.#settle);
    void this.#controller.track(this.#kept.promise);
    this.#settleAtEnd();
  }

  /** One timer for all of them: at its end it is set again for those that were given meanwhile. */
  #settleAtEnd(): void {
    this.#cancelTimer = systemClock.setTimer(this.#until, () => {
      if (systemClock.mono() < this.#until) this.#settleAtEnd();
      else this.#settle();
    });
  }

  /** Also where it has stopped by force, and whoever comes next waits for the lease. */
  readonly #settle = (): void => {
    this.#cancelTimer();
    this.#controller.off('stopped', this.#settle);
    this.#kept?.resolve();
    this.#kept = undefined;
  };
}
