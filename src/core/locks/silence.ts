import { type Clock, instantOf } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { Beat, LockStore } from './store.ts';

export interface SilenceOptions {
  readonly store: LockStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of this machine, since it was started; undefined where that cannot be told. */
  readonly machineId: () => string | undefined;
}

type Sighting = Beat & { readonly at: number };

/** What was refused is watched for this long beyond the longest TTL: two looks, and the first one's delay. */
const beyondMs = 1_500;

/** Finds the processes that have died without a word, and ends their leases. */
export class Silence {
  readonly #options: SilenceOptions;
  /** By process and session: a beat that was seen through one server proves nothing on another. */
  #sightings = new Map<string, Sighting>();
  /** Since when: who asks again and again without waiting must not be refused by the dead for ever. */
  readonly #refused = new Map<string, number>();
  #isDoubtful = false;

  constructor(options: SilenceOptions) {
    this.#options = options;
  }

  get isWatched(): boolean {
    return this.#refused.size > 0 || this.#isDoubtful;
  }

  refused(resource: string): void {
    this.#refused.set(resource, this.#options.clock.mono());
  }

  doubt(): void {
    this.#isDoubtful = true;
  }

  forget(): void {
    this.#sightings.clear();
    this.#refused.clear();
    this.#isDoubtful = false;
  }

  /** When the TTL of a silent process runs out, if nothing is heard of it before; Infinity for none. */
  dueMs(): number {
    const now = this.#options.clock.mono();
    const dues = [...this.#sightings.values()].map(({ at, ttlMs }) => at + ttlMs - now);
    return Math.max(1, Math.min(...dues));
  }

  /** At whoever holds or waits for these, and for what was refused. */
  async look(resources: readonly string[]): Promise<void> {
    const watched = [...new Set([...resources, ...this.#refused.keys()])];
    const beats = await this.#options.store.beats(watched);
    await this.#bury(beats);
    this.#forgive(beats);
  }

  /**
   * For who does not stay to watch: whether whoever stands before this resource was silent for so long
   * that others of this machine have seen it for the TTL, one after the other. Then it is over at once;
   * else it is noted for the next one who asks.
   */
  async hasSeenOut(resource: string): Promise<boolean> {
    let hasEnded = false;
    for (const beat of await this.#options.store.beats([resource])) {
      if ((await this.#wasSeen(beat)) && (await this.#end(beat))) hasEnded = true;
    }
    return hasEnded;
  }

  /** Its clocks are read after the beat: whoever is seen silent had sent it by then. */
  async #wasSeen(beat: Beat): Promise<boolean> {
    const { store, clock, machineId } = this.#options;
    if (!beat.isOverdue || store.sight === undefined) return false;
    const machine = machineId();
    return machine !== undefined && (await store.sight(beat, machine, instantOf(clock)));
  }

  async #end(silent: Beat): Promise<boolean> {
    const { store, logger } = this.#options;
    const { process, token } = silent;
    const hasEnded = await store.expire(silent);
    if (hasEnded) logger.warn({ process, token }, 'ended the lease of a silent process');
    return hasEnded;
  }

  /** Ends the leases that have been silent for their TTL, counted here and from when it was seen. */
  async #bury(beats: readonly Beat[]): Promise<void> {
    const now = this.#options.clock.mono();
    const seen = new Map<string, Sighting>();
    for (const beat of beats) {
      const key = `${beat.session}/${beat.process}/${beat.token}/${beat.beat}`;
      seen.set(key, { ...beat, at: this.#sightings.get(key)?.at ?? now });
    }
    this.#sightings = seen;
    this.#isDoubtful &&= beats.some(({ isDoubted }) => isDoubted);
    for (const sighting of seen.values()) {
      // What others of this machine have seen counts, too, and what is seen here counts for them.
      const isOver = now - sighting.at >= sighting.ttlMs || (await this.#wasSeen(sighting));
      if (isOver) await this.#end(sighting);
    }
  }

  /** What was refused longer ago than the longest TTL: by now a silent holder would have been buried. */
  #forgive(beats: readonly Beat[]): void {
    const longestMs = Math.max(0, ...beats.map(({ ttlMs }) => ttlMs));
    const latest = this.#options.clock.mono() - longestMs - beyondMs;
    for (const [resource, since] of this.#refused) {
      if (since < latest) this.#refused.delete(resource);
    }
  }
}
