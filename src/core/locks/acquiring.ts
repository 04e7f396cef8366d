import type { Clock } from '../clock.ts';
import { pause } from '../control.ts';
import { isLockdError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import { reconnectWaitMs } from '../machine/backoff.ts';
import type { Term } from '../term.ts';
import { Batch } from './batch.ts';
import { type Request, wantedOf } from './options.ts';
import { Patience } from './patience.ts';
import * as refusals from './refusals.ts';
import type { Grant, Holding, LockStore, Wanted } from './store.ts';
import { moved, type Waits } from './waits.ts';

/** What has been had: under which lease, by which request. */
export interface Acquired extends Grant {
  readonly is: 'acquired';
  readonly wanted: Wanted;
  readonly term: Term;
}

/** What was not waited for, and who has it. */
export interface Refused {
  readonly is: 'refused';
  readonly holders: readonly Holding[];
}

/** To be tried again: at once where the lease has moved on, after a pause where a call has failed. */
type Again = typeof moved | 'failed';

export interface AcquiringOptions {
  readonly store: LockStore;
  readonly waits: Waits;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly callTimeoutMs: number;
  readonly reconnectMaxMs: number;
  /** The lease of this process: now, or the next one. */
  readonly term: () => Term | undefined;
  readonly nextTerm: (signal: AbortSignal) => Promise<Term>;
  /** Whether the lease is over by now, so that there is nothing left to give back. */
  readonly isOver: (term: Term) => boolean;
  readonly contended: (request: Request, holders: readonly Holding[]) => void;
}

/** Gets holds, and leaves nothing behind of those that it did not get. */
export class Acquiring {
  readonly #options: AcquiringOptions;
  readonly #take: Batch<Tried, bigint | undefined>;
  readonly #drop: Batch<Wanted, boolean>;
  readonly #leaving = new Set<Promise<boolean>>();

  constructor(options: AcquiringOptions) {
    this.#options = options;
    const { store } = options;
    // One token for all of a round: a lease that has moved on meanwhile makes every answer void.
    this.#take = new Batch(
      (tries) =>
        store.take(
          tries[0]?.term.token ?? 0n,
          tries.map(({ wanted }) => wanted),
        ),
      ({ wanted }) => wanted.resource,
    );
    this.#drop = new Batch(
      (wanted) => store.drop(wanted),
      ({ resource }) => resource,
    );
  }

  /** Until it is had, refused, or not waited for any more; a server that is away is waited for, too. */
  async acquire(request: Request): Promise<Acquired | Refused> {
    const { clock, random, reconnectMaxMs } = this.#options;
    const begun = clock.mono();
    const atOnce = request.waitMs === 0;
    const patience = new Patience(
      clock,
      atOnce ? Number.POSITIVE_INFINITY : request.waitMs,
      request.signal,
      () => refusals.overdue(request, clock.mono() - begun, []),
    );
    try {
      request.signal?.throwIfAborted();
      for (let failures = 0; ; ) {
        const term = await this.#term(request, patience);
        const outcome = await this.#try({ request, term, wanted: wantedOf(request) }, patience);
        if (outcome === moved) continue;
        if (outcome !== 'failed') return outcome;
        failures += 1;
        if (atOnce && failures > retriesAtOnce) throw refusals.unavailable();
        const restMs = reconnectWaitMs(failures, reconnectMaxMs, random());
        await pause(clock, restMs, patience.signal);
      }
    } finally {
      patience.done();
    }
  }

  /** Gives back what was had, or perhaps was had: again, until the server has it or the lease is over. */
  giveBack(wanted: Wanted, term: Term): Promise<boolean> {
    const leaving = this.#giveBack(wanted, term).finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
    return leaving;
  }

  /** When nothing is on its way back any more. */
  async settled(): Promise<void> {
    while (this.#leaving.size > 0) await Promise.allSettled(this.#leaving);
  }

  /** The lease; who does not want to wait waits for it no longer than for an answer of the server. */
  async #term(request: Request, patience: Patience): Promise<Term> {
    const { clock, callTimeoutMs, term, nextTerm } = this.#options;
    const current = term();
    if (current !== undefined) return current;
    const boundMs = request.waitMs === 0 ? callTimeoutMs : Number.POSITIVE_INFINITY;
    const bounded = new Patience(clock, boundMs, patience.signal, () => refusals.unavailable());
    try {
      return await bounded.of(nextTerm(bounded.signal));
    } finally {
      bounded.done();
    }
  }

  async #try(tried: Tried, patience: Patience): Promise<Acquired | Refused | Again> {
    const { wanted, term } = tried;
    if (wanted.mode === 'exclusive') {
      const token = await this.#asked(this.#take.add(tried), tried, patience);
      if (token === 'failed') return token;
      if (token !== undefined) return this.#had(tried, { token, slot: 0 });
    }
    const { store, waits } = this.#options;
    const wait = waits.begin(wanted);
    try {
      const asked = store.ask(term.token, wanted, tried.request.waitMs > 0);
      const answer = await this.#asked(asked, tried, patience);
      if (answer === 'failed') return answer;
      if (answer.is === 'granted') return this.#had(tried, answer);
      if (answer.is === 'queued') return await this.#granted(tried, answer, wait.grant, patience);
      if (answer.is === 'busy') return { is: 'refused', holders: answer.holders };
      if (answer.is === 'doubtful') waits.doubt();
      throw refusals.ofAnswer(tried.request, answer);
    } finally {
      waits.end(wait);
    }
  }

  /** An answer of the server. Where there is none, what it may have granted is given back first. */
  async #asked<Value>(
    call: Promise<Value>,
    { wanted, term }: Tried,
    patience: Patience,
  ): Promise<Value | 'failed'> {
    try {
      return await patience.of(call);
    } catch (error) {
      call.catch(() => {}); // nobody waits for it any more
      const given = this.giveBack(wanted, term);
      patience.signal.throwIfAborted();
      if (!isLockdError(error) || !error.isRetryable) throw error;
      this.#options.logger.debug({ reason: messageOf(error) }, 'could not ask for a hold');
      await patience.of(given);
      return 'failed';
    }
  }

  /** In line: until it is told of the grant. */
  async #granted(
    tried: Tried,
    { holders }: { readonly holders: readonly Holding[] },
    grant: { readonly promise: Promise<Grant> },
    patience: Patience,
  ): Promise<Acquired | typeof moved> {
    const { clock, contended } = this.#options;
    const begun = clock.mono();
    contended(tried.request, holders);
    try {
      return this.#had(tried, await patience.of(grant.promise));
    } catch (error) {
      if (error === moved) return moved;
      void this.giveBack(tried.wanted, tried.term);
      if (!refusals.isOverdue(error)) throw error;
      throw refusals.overdue(tried.request, clock.mono() - begun, holders);
    }
  }

  /** Had under a lease that has ended meanwhile is not had. */
  #had({ wanted, term }: Tried, { token, slot }: Grant): Acquired | typeof moved {
    if (term.isActive()) return { is: 'acquired', wanted, term, token, slot };
    void this.giveBack(wanted, term);
    return moved;
  }

  async #giveBack(wanted: Wanted, term: Term): Promise<boolean> {
    const { store, clock, random, logger, reconnectMaxMs, isOver } = this.#options;
    for (let failures = 1; !isOver(term); failures += 1) {
      try {
        if (wanted.mode === 'exclusive') return await this.#drop.add(wanted);
        return await store.leave(wanted.resource, wanted.request);
      } catch (error) {
        if (!isLockdError(error) || !error.isRetryable) {
          logger.warn(
            { resource: wanted.resource, reason: messageOf(error) },
            'could not give back',
          );
          return false;
        }
        await pause(clock, reconnectWaitMs(failures, reconnectMaxMs, random()), never);
      }
    }
    return false;
  }
}

/** One try of a request: each has a uuid of its own, and stands under one lease. */
interface Tried {
  readonly request: Request;
  readonly wanted: Wanted;
  readonly term: Term;
}

/** Who does not want to wait gets over a connection that has just broken, and no more. */
const retriesAtOnce = 2;

const never = new AbortController().signal;
