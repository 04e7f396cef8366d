import type { Clock } from '../clock.ts';
import { type Deferred, deferred } from '../deferred.ts';
import { LockdError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import { bootId } from './boot-id.ts';
import { chainOf, circlesOf, inWords, type Link } from './chains.ts';
import { Silence } from './silence.ts';
import type { Grant, Holding, LockStore, Queues, Wanted } from './store.ts';

/** Somebody of this process stands in line. */
export interface Wait {
  readonly wanted: Wanted;
  /** Rejects with why it is over, or with `moved` where one has to stand in line anew. */
  readonly grant: Deferred<Grant>;
  readonly since: number;
  /** As they were last seen; none before it stands in line. */
  holders: readonly Holding[];
  isQueued: boolean;
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
  readonly machineId?: (() => string | undefined) | undefined;
  /** After this a wait is reported, with the chain that it stands in. */
  readonly reportAfterMs: number;
  readonly report: (error: LockdError) => void;
}

/** All waits of a process, and the one watcher that looks after them while there are any. */
export class Waits {
  readonly #options: WaitsOptions;
  readonly #waits = new Map<string, Wait>();
  readonly #silence: Silence;
  #isLooking = false;
  #isClosed = false;
  #cancelLook: (() => void) | undefined;

  constructor(options: WaitsOptions) {
    this.#options = options;
    this.#silence = new Silence({ ...options, machineId: options.machineId ?? bootId });
  }

  /** Before the server is asked: its grant may be told before its answer is read. */
  begin(wanted: Wanted): Wait {
    const { clock } = this.#options;
    const grant = deferred<Grant>();
    grant.promise.catch(() => {}); // heard where it is waited for
    const since = clock.mono();
    const wait: Wait = { wanted, grant, since, holders: [], isQueued: false, isReported: false };
    this.#waits.set(wanted.request, wait);
    this.#lookIn(firstLookMs);
    return wait;
  }

  queued(wait: Wait, holders: readonly Holding[]): void {
    wait.isQueued = true;
    wait.holders = holders;
  }

  end(wait: Wait): void {
    this.#waits.delete(wait.wanted.request);
    if (!this.#hasToLook()) this.#rest();
  }

  /** Not had, and not waited for any more: whoever has it is looked after until it has shown to live. */
  refused(resource: string): void {
    this.#silence.refused(resource);
    this.#lookIn(firstLookMs);
  }

  /**
   * Before somebody is refused, or waits for a moment only: whether whoever is in its way is dead, and was
   * seen to be. True: it may be asked for anew; what stood in line is told.
   */
  async hasSeenOut(wait: Wait): Promise<boolean> {
    const { resource } = wait.wanted;
    try {
      if (!(await this.#silence.hasSeenOut(resource))) return false;
      if (wait.isQueued) this.#reconcile([wait], await this.#lines([resource]));
      return true;
    } catch (error) {
      this.#options.logger.debug({ reason: messageOf(error) }, 'could not look at the lines');
      return false;
    }
  }

  granted(request: string, grant: Grant): void {
    this.#waits.get(request)?.grant.resolve(grant);
  }

  /** The server does not know what is held: it is looked after until it does. */
  doubt(): void {
    this.#silence.doubt();
    this.#lookIn(firstLookMs);
  }

  /** The lines are gone with the lease of this process. */
  move(): void {
    for (const { grant } of this.#waits.values()) grant.reject(moved);
    this.#waits.clear();
    this.#silence.forget();
    this.#rest();
  }

  /** Looks after nothing any more. */
  close(): void {
    this.#isClosed = true;
    this.move();
  }

  #hasToLook(): boolean {
    return !this.#isClosed && (this.#waits.size > 0 || this.#silence.isWatched);
  }

  #rest(): void {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
  }

  #lookIn(ms: number): void {
    if (this.#isLooking || !this.#hasToLook()) return;
    const { clock } = this.#options;
    this.#cancelLook ??= clock.setTimer(clock.mono() + ms, () => void this.#look());
  }

  async #look(): Promise<void> {
    const { logger } = this.#options;
    this.#cancelLook = undefined;
    this.#isLooking = true;
    let restMs = lookEveryMs;
    try {
      const asked = [...this.#waits.values()].filter(({ isQueued }) => isQueued);
      const resources = [...this.#waits.values()].map(({ wanted }) => wanted.resource);
      await this.#silence.look(resources);
      if (asked.length > 0) this.#reconcile(asked, await this.#lines(resources));
      restMs = Math.min(restMs, this.#silence.dueMs());
    } catch (error) {
      // Whoever waits hears of it by the lease of the process, if it lasts.
      logger.debug({ reason: messageOf(error) }, 'could not look at the lines');
    }
    this.#isLooking = false;
    this.#lookIn(restMs);
  }

  #lines(resources: readonly string[]): Promise<Queues> {
    const { store } = this.#options;
    return store.lines?.([...new Set(resources)]) ?? store.queues();
  }

  /** News may have been left out; waits may stand in a circle, or for long. */
  #reconcile(asked: readonly Wait[], queues: Queues): void {
    const standing = new Set(queues.waitings.map(({ request }) => request));
    const holders = new Map<string, Holding[]>(asked.map(({ wanted }) => [wanted.resource, []]));
    for (const hold of queues.holdings) holders.get(hold.resource)?.push(hold);
    for (const wait of asked) {
      const { request, resource } = wait.wanted;
      wait.holders = holders.get(resource) ?? [];
      const hold = wait.holders.find((each) => each.request === request);
      if (hold !== undefined) wait.grant.resolve(hold);
      // Granted, and taken away again, without a word of it: one has to stand in line anew.
      else if (!standing.has(request)) wait.grant.reject(moved);
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
