import type { Clock } from '../clock.ts';
import { type Deferred, deferred } from '../deferred.ts';
import { LockdError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import { chainOf, circlesOf, inWords, type Link } from './chains.ts';
import type { Beat, Grant, LockStore, Queues, Wanted } from './store.ts';

/** Somebody of this process stands in line. */
export interface Wait {
  readonly wanted: Wanted;
  /** Rejects with why it is over, or with `moved` where one has to stand in line anew. */
  readonly grant: Deferred<Grant>;
  readonly since: number;
  isReported: boolean;
}

/** The line is not there any more: the lease that it was stood in under has ended. */
export const moved: unique symbol = Symbol('moved');

/**
 * What a look at the lines costs, and why. Most waits are over before the first look; a circle is found
 * by the second one; a process that died without a guard is found its TTL after the first.
 */
const firstLookMs = 400;
const lookEveryMs = 1_000;

export interface WaitsOptions {
  readonly store: LockStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** After this a wait is reported, with the chain that it stands in. */
  readonly reportAfterMs: number;
  readonly report: (error: LockdError) => void;
}

/** All waits of a process, and the one watcher that looks after them while there are any. */
export class Waits {
  readonly #options: WaitsOptions;
  readonly #waits = new Map<string, Wait>();
  /** By process and session: a beat that was seen through one server proves nothing on another. */
  readonly #sightings = new Map<string, Beat & { readonly at: number }>();
  #isDoubtful = false;
  #cancelLook: (() => void) | undefined;

  constructor(options: WaitsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#waits.size;
  }

  /** Before the server is asked: its grant may be told before its answer is read. */
  begin(wanted: Wanted): Wait {
    const { clock } = this.#options;
    const grant = deferred<Grant>();
    grant.promise.catch(() => {}); // heard where it is waited for
    const wait: Wait = { wanted, grant, since: clock.mono(), isReported: false };
    this.#waits.set(wanted.request, wait);
    this.#lookIn(firstLookMs);
    return wait;
  }

  end(wait: Wait): void {
    this.#waits.delete(wait.wanted.request);
    if (this.#waits.size === 0 && !this.#isDoubtful) this.#rest();
  }

  granted(request: string, grant: Grant): boolean {
    const wait = this.#waits.get(request);
    wait?.grant.resolve(grant);
    return wait !== undefined;
  }

  /** The server does not know what is held: it is looked after until it does. */
  doubt(): void {
    this.#isDoubtful = true;
    this.#lookIn(firstLookMs);
  }

  /** The lines are gone with the lease of this process. */
  move(): void {
    for (const { grant } of this.#waits.values()) grant.reject(moved);
    this.#waits.clear();
    this.#sightings.clear();
    this.#isDoubtful = false;
    this.#rest();
  }

  #rest(): void {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
  }

  #lookIn(ms: number): void {
    const { clock } = this.#options;
    this.#cancelLook ??= clock.setTimer(clock.mono() + ms, () => void this.#look());
  }

  async #look(): Promise<void> {
    const { store, logger } = this.#options;
    try {
      const resources = [...this.#waits.values()].map(({ wanted }) => wanted.resource);
      await this.#bury(await store.beats([...new Set(resources)]));
      if (this.#waits.size > 0) this.#reconcile(await store.queues());
    } catch (error) {
      // Whoever waits hears of it by the lease of the process, if it lasts.
      logger.debug({ reason: messageOf(error) }, 'could not look at the lines');
    }
    this.#cancelLook = undefined;
    if (this.#waits.size > 0 || this.#isDoubtful) this.#lookIn(this.#nextLookMs());
  }

  /** Sooner where the TTL of a silent process runs out before. */
  #nextLookMs(): number {
    const now = this.#options.clock.mono();
    const dues = [...this.#sightings.values()].map(({ at, ttlMs }) => at + ttlMs - now);
    return Math.min(lookEveryMs, ...dues.map((dueMs) => Math.max(dueMs, 1)));
  }

  /** Ends the leases that have been silent for their TTL, counted here and from when it was seen. */
  async #bury(beats: readonly Beat[]): Promise<void> {
    const { store, clock, logger } = this.#options;
    const now = clock.mono();
    const seen = new Map<string, Beat & { readonly at: number }>();
    for (const beat of beats) {
      const key = `${beat.session}/${beat.process}/${beat.token}/${beat.beat}`;
      seen.set(key, this.#sightings.get(key) ?? { ...beat, at: now });
    }
    this.#sightings.clear();
    for (const [key, sighting] of seen) this.#sightings.set(key, sighting);
    this.#isDoubtful &&= beats.some(({ isDoubted }) => isDoubted);
    for (const sighting of seen.values()) {
      if (now - sighting.at < sighting.ttlMs) continue;
      if (await store.expire(sighting)) {
        const { process, token } = sighting;
        logger.warn({ process, token }, 'ended the lease of a silent process');
      }
    }
  }

  /** News may have been left out; waits may stand in a circle, or for long. */
  #reconcile(queues: Queues): void {
    const standing = new Set(queues.waitings.map(({ request }) => request));
    const held = new Map(queues.holdings.map((hold) => [hold.request, hold]));
    for (const [request, { grant }] of this.#waits) {
      const hold = held.get(request);
      if (hold !== undefined) grant.resolve(hold);
    }
    for (const circle of circlesOf(queues)) this.#break(circle);
    this.#reportLong(queues, standing);
  }

  /** The youngest wait of a circle gives way: every process comes to the same one. */
  #break(circle: readonly Link[]): void {
    const [youngest] = [...circle].sort((one, other) =>
      one.wait.number > other.wait.number ? -1 : 1,
    );
    if (youngest === undefined) return;
    const { resource, owner, request } = youngest.wait;
    this.#waits
      .get(request)
      ?.grant.reject(
        new LockdError(
          'LOCKD_DEADLOCK',
          `${JSON.stringify(owner)} cannot have ${JSON.stringify(resource)}: ${inWords(circle)}. Let go of everything, and try again; take resources in one order, as \`acquireAll\` does.`,
          { isRetryable: true },
        ),
      );
  }

  #reportLong(queues: Queues, standing: ReadonlySet<string>): void {
    const { clock, reportAfterMs, report } = this.#options;
    for (const [request, wait] of this.#waits) {
      const waitedMs = Math.round(clock.mono() - wait.since);
      if (wait.isReported || waitedMs < reportAfterMs || !standing.has(request)) continue;
      wait.isReported = true;
      const chain = inWords(chainOf(request, queues));
      report(
        new LockdError('LOCKD_BUSY', `Waiting for ${waitedMs} ms: ${chain}.`, {
          isRetryable: true,
        }),
      );
    }
  }
}
