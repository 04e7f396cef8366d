import type { WallClock } from './wall-clock.ts';

type Mode = 'exclusive' | 'shared';

interface Waiter<Owner> {
  readonly owner: Owner;
  readonly mode: Mode;
  readonly granted: () => void;
}

/** One lock of the server: first come first served, also for those who could share it. */
export class Lock<Owner> {
  readonly #holders = new Map<Owner, Mode>();
  #queue: Waiter<Owner>[] = [];

  isHeldBy(owner: Owner): boolean {
    return this.#holders.has(owner);
  }

  get holders(): Owner[] {
    return [...this.#holders.keys()];
  }

  /** The grant happens on the spot or when it is freed; `granted` is called in the same instant. */
  ask(owner: Owner, mode: Mode, granted: () => void): void {
    this.#queue.push({ owner, mode, granted });
    this.#grant();
  }

  /** Stops waiting; what was granted stays granted. */
  giveUp(owner: Owner): void {
    this.#queue = this.#queue.filter((waiter) => waiter.owner !== owner);
    this.#grant();
  }

  free(owner: Owner): boolean {
    const wasHeld = this.#holders.delete(owner);
    this.#grant();
    return wasHeld;
  }

  /** The server is gone, and with it every holder and waiter. */
  clear(): void {
    this.#holders.clear();
    this.#queue = [];
  }

  #grant(): void {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const isFree =
        this.#holders.size === 0 ||
        (next.mode === 'shared' && ![...this.#holders.values()].includes('exclusive'));
      if (!isFree) return;
      this.#queue.shift();
      this.#holders.set(next.owner, next.mode);
      next.granted();
    }
  }
}

export type LockAnswer = 'granted' | 'lock_not_available';

/**
 * A wait under `lock_timeout`. Between the timer and the moment at which the waiter has left the
 * queue the lock can still be granted: then the wait fails, and the lock is held all the same.
 */
export function waitFor<Owner>(
  lock: Lock<Owner>,
  owner: Owner,
  mode: Mode,
  bound: { readonly wall: WallClock; readonly waitMs: number; leaves(leave: () => void): void },
): Promise<LockAnswer> {
  return new Promise((resolve) => {
    let hasTimedOut = false;
    const unset = bound.wall.setTimer(bound.waitMs, () => {
      hasTimedOut = true;
      bound.leaves(() => {
        lock.giveUp(owner);
        resolve('lock_not_available');
      });
    });
    lock.ask(owner, mode, () => {
      if (hasTimedOut) return;
      unset();
      resolve('granted');
    });
  });
}
