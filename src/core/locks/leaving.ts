import type { Clock } from '../clock.ts';
import { pause } from '../control.ts';
import { isLockdError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import { reconnectWaitMs } from '../machine/backoff.ts';
import type { Term } from '../term.ts';
import { Batch } from './batch.ts';
import type { Patience } from './patience.ts';
import { askersOf, type LockStore, type Wanted } from './store.ts';

export interface LeavingOptions {
  readonly store: LockStore;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly ttlMs: number;
  readonly reconnectMaxMs: number;
  /** Whether the lease is over by now, so that there is nothing left to give back. */
  readonly isOver: (term: Term) => boolean;
}

/** Gives back what was had, or perhaps was had: again, until the server has it or the lease is over. */
export class Leaving {
  readonly #options: LeavingOptions;
  readonly #drop: Batch<Wanted, boolean>;
  readonly #underWay = new Set<Promise<boolean>>();
  /** By owner and resource, the latest. */
  readonly #latest = new Map<string, Promise<boolean>>();

  constructor(options: LeavingOptions) {
    this.#options = options;
    this.#drop = new Batch(
      (wanted) => options.store.drop(wanted),
      ({ resource }) => resource,
    );
  }

  /** What was had. True where the server still had it. */
  giveBack(wanted: Wanted, term: Term): Promise<boolean> {
    return this.#keep(wanted, this.#untilHeard(wanted, term, wanted.mode === 'exclusive'));
  }

  /** What was waited for, and perhaps was had meanwhile. */
  leave(wanted: Wanted, term: Term): Promise<boolean> {
    return this.#keep(wanted, this.#untilHeard(wanted, term, false));
  }

  /** What was asked for. First its answer: what is undone before it is done would stay. */
  undo(call: Promise<unknown>, wanted: Wanted, term: Term): Promise<boolean> {
    const undone = call.catch(() => {}).then(() => this.#untilHeard(wanted, term, false));
    return this.#keep(wanted, undone);
  }

  /** When what this owner, and those that it asks within, have given back of this resource is given back. */
  async before(wanted: Wanted, patience: Patience): Promise<void> {
    for (const owner of askersOf(wanted)) {
      const latest = this.#latest.get(keyOf({ owner, resource: wanted.resource }));
      if (latest !== undefined) await patience.of(latest);
    }
  }

  /** When nothing is on its way back any more. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  #keep(wanted: Wanted, leaving: Promise<boolean>): Promise<boolean> {
    const key = keyOf(wanted);
    this.#underWay.add(leaving);
    this.#latest.set(key, leaving);
    void leaving.then(() => {
      this.#underWay.delete(leaving);
      if (this.#latest.get(key) === leaving) this.#latest.delete(key);
    });
    return leaving;
  }

  /** Never rejects. */
  async #untilHeard(wanted: Wanted, term: Term, isQuick: boolean): Promise<boolean> {
    const { store, clock, random, logger, ttlMs, reconnectMaxMs, isOver } = this.#options;
    let failingSince: number | undefined;
    for (let failures = 1; !isOver(term); failures += 1) {
      try {
        return await (isQuick
          ? this.#drop.add(wanted)
          : store.leave(wanted.resource, wanted.request));
      } catch (error) {
        if (!isLockdError(error) || !error.isRetryable) {
          const { resource } = wanted;
          logger.warn({ resource, reason: messageOf(error) }, 'could not give back');
          return false;
        }
        failingSince ??= clock.mono();
        // A lease that is being left, on a server that has not answered for its TTL: it has run out.
        if (!term.isActive() && clock.mono() - failingSince >= ttlMs) return false;
        await pause(clock, reconnectWaitMs(failures, reconnectMaxMs, random()));
      }
    }
    return false;
  }
}

const keyOf = ({ owner, resource }: Pick<Wanted, 'owner' | 'resource'>): string =>
  `${owner}\n${resource}`;
