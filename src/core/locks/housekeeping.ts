import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { LockStore } from './store.ts';

export interface HousekeepingOptions {
  readonly store: LockStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

const firstMs = 1_000;
const everyMs = 3_600_000;

/** Clears away what nobody has used for long: once in an hour, and never in anybody's way. */
export class Housekeeping {
  readonly #options: HousekeepingOptions;
  #state: 'idle' | 'due' | 'begun' | 'over' = 'idle';
  #left: Promise<void> | undefined;
  #cancel: () => void = () => {};

  constructor(options: HousekeepingOptions) {
    this.#options = options;
  }

  /** Something is held: from the first time on. */
  begin(): void {
    const { clock, store } = this.#options;
    if (this.#state !== 'idle' || store.clearAway === undefined) return;
    this.#state = 'due';
    const clear = (): void => {
      this.#state = 'begun';
      this.#cancel = clock.setTimer(clock.mono() + everyMs, clear);
      void this.#heard(store.clearAway?.());
    };
    this.#cancel = clock.setTimer(clock.mono() + firstMs, clear);
  }

  /** No more of it. */
  close(): void {
    this.#cancel();
    if (this.#state !== 'due') this.#state = 'over';
  }

  /**
   * Nothing is held any more, and nothing will be. Who has not lived for a second does some of it while
   * its lease is left, which takes as long: or what a thousand short-lived processes leave behind would
   * stay. Not before: the last release would stand behind it.
   */
  leave(): void {
    if (this.#state !== 'due') return;
    this.#state = 'over';
    this.#left = this.#heard(this.#options.store.clearSome?.());
  }

  /** When what was done on the way out is done. */
  async settled(): Promise<void> {
    await this.#left;
  }

  async #heard(cleared: Promise<void> | undefined): Promise<void> {
    const { logger } = this.#options;
    await cleared?.catch((error) =>
      logger.debug({ reason: messageOf(error) }, 'could not clear away'),
    );
  }
}
