import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Hold } from './hold.ts';
import type { LockStore } from './store.ts';

export interface RollCallOptions {
  readonly store: LockStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ttlMs: number;
  /** By request. */
  readonly holds: ReadonlyMap<string, Hold>;
  /** It is not there any more. */
  readonly gone: (hold: Hold) => void;
}

/** In one question: it stays a short one. */
const largest = 1_000;

/**
 * Asks once in a TTL, while something is held, whether it is still there: what was taken away is told by
 * a notice, and that may be left out, or told while nobody listens. What is held for less costs nothing.
 */
export class RollCall {
  readonly #options: RollCallOptions;
  #isClosed = false;
  #isCalling = false;
  #cancel: (() => void) | undefined;

  constructor(options: RollCallOptions) {
    this.#options = options;
  }

  /** Something is held. */
  begin(): void {
    const { store, clock, ttlMs } = this.#options;
    if (this.#isClosed || this.#isCalling || store.gone === undefined) return;
    this.#cancel ??= clock.setTimer(clock.mono() + ttlMs, () => void this.#call());
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
  }

  async #call(): Promise<void> {
    const { store, holds, gone, logger } = this.#options;
    this.#cancel = undefined;
    this.#isCalling = true;
    const held = [...holds].map(([request, { resource, slot }]) => ({ request, resource, slot }));
    try {
      for (let from = 0; from < held.length; from += largest) {
        const missing = await store.gone?.(held.slice(from, from + largest));
        for (const request of missing ?? []) {
          const hold = holds.get(request);
          if (hold !== undefined) gone(hold);
        }
      }
    } catch (error) {
      // The next call, or the end of the lease, tells.
      logger.debug({ reason: messageOf(error) }, 'could not ask for what is held');
    }
    this.#isCalling = false;
    if (holds.size > 0) this.begin();
  }
}
