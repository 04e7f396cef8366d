import type { Clock } from '../clock.ts';
import { pause } from '../control.ts';
import { isLockdError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import { reconnectWaitMs } from '../machine/backoff.ts';
import type { Term } from '../term.ts';
import { Batch } from './batch.ts';
import type { Hold } from './hold.ts';
import type { Leaving } from './leaving.ts';
import { type Request, wantedOf } from './options.ts';
import { overdue, Patience } from './patience.ts';
import * as refusals from './refusals.ts';
import type { Answer, Grant, Holding, LockStore, Wanted } from './store.ts';
import { moved, type Wait, type Waits } from './waits.ts';

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
  readonly leaving: Leaving;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly callTimeoutMs: number;
  readonly reconnectMaxMs: number;
  /** The lease of this process: now, or the next one. */
  readonly term: () => Term | undefined;
  readonly nextTerm: (signal: AbortSignal) => Promise<Term>;
  /** Once for each request that has to wait. */
  readonly contended: (request: Request, holders: readonly Holding[]) => void;
}

/** Makes the hold, in the same turn that sees its lease alive: who ends that lease shall find it. */
export type Had = (wanted: Wanted, term: Term, grant: Grant) => Hold;

/** A request, for as long as it is waited for. */
interface Asking {
  readonly request: Request;
  readonly had: Had;
  readonly patience: Patience;
  readonly begun: number;
  isContended: boolean;
  /** While it stands in line. */
  wait: Wait | undefined;
}

/** One try of it: each has a uuid of its own, and stands under one lease. */
interface Tried {
  readonly asking: Asking;
  readonly wanted: Wanted;
  readonly term: Term;
}

type Takes = Batch<Tried, bigint | undefined>;

/** Gets holds, and leaves nothing behind of those that it did not get. */
export class Acquiring {
  readonly #options: AcquiringOptions;
  readonly #patiences = new Set<Patience>();
  #takes: { readonly under: Term; readonly batch: Takes } | undefined;

  constructor(options: AcquiringOptions) {
    this.#options = options;
  }

  /** Until it is had, refused, or not waited for any more; a server that is away is waited for, too. */
  async acquire(request: Request, had: Had): Promise<Hold | Refused> {
    const { clock, callTimeoutMs } = this.#options;
    const begun = clock.mono();
    // Who does not want to wait, or not for long, waits for an answer, for as long as one may take.
    const waitMs = Math.max(request.waitMs, callTimeoutMs);
    const patience = new Patience(clock, waitMs, request.signal);
    const asking: Asking = { request, had, patience, begun, isContended: false, wait: undefined };
    this.#patiences.add(patience);
    try {
      return await this.#untilAnswered(asking);
    } catch (error) {
      if (error !== overdue) throw error;
      const waitedMs = clock.mono() - begun;
      throw asking.wait === undefined
        ? refusals.unanswered(request, waitedMs)
        : refusals.overdue(request, waitedMs, asking.wait.holders);
    } finally {
      patience.done();
      this.#patiences.delete(patience);
    }
  }

  /** Nobody waits any more. */
  giveUp(reason: unknown): void {
    for (const patience of this.#patiences) patience.end(reason);
  }

  async #untilAnswered(asking: Asking): Promise<Hold | Refused> {
    const { clock, random, reconnectMaxMs, leaving } = this.#options;
    const { request, patience } = asking;
    for (let failures = 0; ; ) {
      patience.throwIfOver();
      const term = this.#options.term() ?? (await this.#nextTerm(patience));
      const wanted = wantedOf(request);
      // What this owner has given up, but the server perhaps not yet heard of, is no second hold.
      await leaving.before(wanted, patience);
      const outcome = await this.#try({ asking, term, wanted });
      if (outcome === moved) {
        // The next one, or the same where it is exactly active: it may have run out and not been told yet.
        await this.#nextTerm(patience);
        continue;
      }
      if (outcome !== 'failed') return outcome;
      failures += 1;
      const isLate = clock.mono() - asking.begun >= request.waitMs;
      if (isLate && failures > retriesAtOnce) throw overdue;
      const restMs = reconnectWaitMs(failures, reconnectMaxMs, random());
      await pause(clock, restMs, patience.signal);
    }
  }

  #nextTerm(patience: Patience): Promise<Term> {
    return patience.of(this.#options.nextTerm(patience.signal));
  }

  async #try(tried: Tried): Promise<Hold | Refused | Again> {
    const { asking, wanted, term } = tried;
    const { store, waits } = this.#options;
    if (wanted.mode === 'exclusive') {
      const takes = this.#takesUnder(term);
      const token = await this.#asked(takes.add(tried), tried, () => takes.withdraw(tried));
      if (token === 'failed') return token;
      if (token !== undefined) return this.#had(tried, { token, slot: 0 });
    }
    // In line under a lease that is over nobody would be told of anything.
    if (!term.isActive()) return moved;
    const wait = waits.begin(wanted);
    try {
      const ask = (): Promise<Answer | 'failed'> =>
        this.#asked(store.ask(term.token, wanted, asking.request.waitMs > 0), tried);
      let answer = await ask();
      if (isSuspect(answer) && (await asking.patience.of(waits.hasSeenOut(wait)))) {
        answer = await ask();
      }
      if (answer === 'failed') return answer;
      if (answer.is === 'granted') return this.#had(tried, answer);
      if (answer.is === 'queued') return await this.#inLine(tried, wait, answer);
      if (answer.is === 'busy') {
        waits.refused(wanted.resource);
        return { is: 'refused', holders: answer.holders };
      }
      if (answer.is === 'doubtful') waits.doubt();
      throw refusals.ofAnswer(asking.request, answer);
    } finally {
      waits.end(wait);
    }
  }

  /** Those of one lease: a round is asked for under one token. */
  #takesUnder(term: Term): Takes {
    if (this.#takes?.under !== term) {
      const { store } = this.#options;
      const batch: Takes = new Batch(
        (tries) =>
          store.take(
            term.token,
            tries.map(({ wanted }) => wanted),
          ),
        ({ wanted }) => wanted.resource,
      );
      this.#takes = { under: term, batch };
    }
    return this.#takes.batch;
  }

  /** An answer of the server. Where there is none, what it may have granted is given back first. */
  async #asked<Value>(
    call: Promise<Value>,
    { asking: { patience }, wanted, term }: Tried,
    withdraw: () => boolean = () => false,
  ): Promise<Value | 'failed'> {
    const { leaving, logger } = this.#options;
    try {
      return await patience.of(call);
    } catch (error) {
      if (withdraw()) throw error;
      const undone = leaving.undo(call, wanted, term);
      patience.throwIfOver();
      if (!isLockdError(error) || !error.isRetryable) throw error;
      logger.debug({ reason: messageOf(error) }, 'could not ask for a hold');
      await patience.of(undone);
      return 'failed';
    }
  }

  /** Until it is told of the grant. */
  async #inLine(
    tried: Tried,
    wait: Wait,
    { holders, isOverdue }: Extract<Answer, { is: 'queued' }>,
  ): Promise<Hold | typeof moved> {
    const { asking, wanted, term } = tried;
    const { request, patience, begun } = asking;
    const { waits, leaving, contended } = this.#options;
    waits.queued(wait, holders);
    asking.wait = wait;
    if (!asking.isContended) contended(request, holders);
    asking.isContended = true;
    try {
      // Kept by nobody: by what the server has forgotten, perhaps.
      if (isOverdue || holders.length === 0) await patience.of(waits.hasSeenOut(wait));
      patience.until(begun + request.waitMs);
      return this.#had(tried, await patience.of(wait.grant.promise));
    } catch (error) {
      void leaving.leave(wanted, term);
      if (error !== moved) {
        waits.refused(wanted.resource);
        throw error;
      }
      asking.wait = undefined;
      return moved;
    }
  }

  /** Had under a lease that has ended meanwhile is not had. */
  #had({ asking, wanted, term }: Tried, grant: Grant): Hold | typeof moved {
    if (term.isActive()) return asking.had(wanted, term, grant);
    void this.#options.leaving.giveBack(wanted, term);
    return moved;
  }
}

/** Refused by somebody who may be dead. */
const isSuspect = (answer: Answer | 'failed'): boolean =>
  answer !== 'failed' && (answer.is === 'doubtful' || (answer.is === 'busy' && answer.isOverdue));

/** Who does not want to wait gets over a connection that has just broken, and no more. */
const retriesAtOnce = 2;
