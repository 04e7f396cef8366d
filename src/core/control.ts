import type { Clock } from './clock.ts';
import { complain, noComplaints, recover } from './complaints.ts';
import { deferred } from './deferred.ts';
import { isLockdError, type LockdError, messageOf } from './errors.ts';
import type { Logger } from './log.ts';
import { reconnectWaitMs } from './machine/backoff.ts';
import type { Candidate, ControlSession, Notice, Store } from './store.ts';

/** Presence, notices and confessions: what a controller needs beside its seat. */
export interface Control {
  start(hear: (notice: Notice) => void): void;
  /** Once the first session was had or could not be: with what retrying cannot heal, if that is why. */
  refusal(): Promise<LockdError | undefined>;
  /**
   * Marks the token ended, trying until its lease is over (`until`, monotonic ms), a confession for
   * longer. Resolves with whether the term is over.
   */
  testify(
    token: bigint,
    by: 'confession' | 'testimony',
    reason: string,
    until: number,
  ): Promise<boolean>;
  /** Says once whether this instance is ready to lead after the term `token`; lost, it is asked again. */
  answerHandoff(token: bigint, isReady: boolean, reason: string): void;
  /** Drops the session; a new one is made later than a seat's: the server goes away, or is full. */
  reconnect(): void;
  /** Leaves. A mark that is being tried has as long as a connection may take, within its lease. */
  stop(): Promise<void>;
}

/** An heir that the server was away for counts a whole lease from its late grant; a mark spares it. */
const confessedForLeases = 10;

export interface ControlLinkOptions {
  readonly store: Store;
  readonly candidate: Candidate;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly connectTimeoutMs: number;
  readonly reconnectMaxMs: number;
}

/** Keeps one control session connected. Losing it costs nothing but speed and sight. */
export class ControlLink implements Control {
  readonly #options: ControlLinkOptions;
  #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #session: ControlSession | undefined;
  #lost: (() => void) | undefined;
  #opened = deferred();
  #answered = deferred<LockdError | undefined>();
  /** Those being tried, and when their leases are over. */
  readonly #marks = new Map<Promise<boolean>, number>();
  /** Aborted to end the pause before the next connection. */
  #resting = new AbortController();
  #isYielding = false;

  constructor(options: ControlLinkOptions) {
    this.#options = options;
  }

  start(hear: (notice: Notice) => void): void {
    if (this.#running !== undefined) return;
    this.#stopping = new AbortController();
    this.#opened = deferred();
    this.#answered = deferred();
    this.#running = this.#keepConnected(hear, this.#stopping.signal);
  }

  refusal(): Promise<LockdError | undefined> {
    return this.#answered.promise;
  }

  testify(
    token: bigint,
    by: 'confession' | 'testimony',
    reason: string,
    until: number,
  ): Promise<boolean> {
    const { ttlMs } = this.#options.candidate;
    const beyondMs = by === 'confession' ? (confessedForLeases - 1) * ttlMs : 0;
    const mark = this.#testify(token, by, reason, until + beyondMs);
    this.#marks.set(mark, until);
    this.#resting.abort();
    return mark.finally(() => this.#marks.delete(mark));
  }

  answerHandoff(token: bigint, isReady: boolean, reason: string): void {
    this.#session?.answerHandoff(token, isReady, reason).catch((error: unknown) => {
      this.#options.logger.warn({ token, reason: messageOf(error) }, 'could not answer a handoff');
    });
  }

  reconnect(): void {
    this.#isYielding = true;
    this.#session?.destroy();
    this.#lost?.();
  }

  async stop(): Promise<void> {
    if (this.#marks.size > 0) {
      // A session lost during the last drain is made anew for its confession, if that is soon.
      const { clock, connectTimeoutMs } = this.#options;
      const done = new AbortController();
      const marked = Promise.allSettled(this.#marks.keys()).then(() => done.abort());
      const leaseMs = Math.max(...this.#marks.values()) - clock.mono();
      await Promise.race([marked, pause(clock, Math.min(connectTimeoutMs, leaseMs), done.signal)]);
    }
    this.#stopping.abort();
    this.#resting.abort();
    this.#opened.resolve(); // marks that wait for a session have nothing to wait for
    this.#answered.resolve(undefined);
    await Promise.allSettled(this.#marks.keys());
    this.#lost?.();
    await this.#running;
    this.#running = undefined;
  }

  async #keepConnected(hear: (notice: Notice) => void, signal: AbortSignal): Promise<void> {
    const { store, candidate, clock, random, logger, connectTimeoutMs, reconnectMaxMs } =
      this.#options;
    let failures = 0;
    let complaints = noComplaints;
    while (!signal.aborted) {
      const lost = deferred();
      this.#lost = lost.resolve;
      let session: ControlSession | undefined;
      try {
        session = await store.openControl(candidate, {
          hooks: { lost: () => lost.resolve(), notice: hear },
          signal,
          timeoutMs: connectTimeoutMs,
        });
        this.#session = session;
        this.#opened.resolve();
        this.#answered.resolve(undefined);
        logger.debug({ backend: session.backend }, 'registered');
        failures = 0;
        const recovered = recover(complaints);
        complaints = recovered.complaints;
        if (recovered.failures > 0) {
          logger.info({ failures: recovered.failures }, 'registered again');
        }
        // stop() and reconnect() do not see a session that is still being made: both mark it lost.
        await lost.promise;
        if (signal.aborted) await session.close();
        this.#opened = deferred();
      } catch (error) {
        if (signal.aborted) break;
        failures += 1;
        const isHopeless = isLockdError(error) && !error.isRetryable;
        this.#answered.resolve(isHopeless ? error : undefined);
        const complained = complain(complaints, error, failures, clock.mono());
        complaints = complained.complaints;
        const { code, since, isToTell } = complained;
        const fields = { code, reason: messageOf(error), ...since };
        logger[isToTell ? 'warn' : 'debug'](fields, 'could not register');
      }
      session?.destroy();
      this.#session = undefined;
      await this.#rest(reconnectWaitMs(failures + 1, reconnectMaxMs, random()));
    }
  }

  /**
   * Where a seat was refused, it goes first: every seat tries again within the longest pause, and where
   * connections are scarce there has to be one left for it. A mark waits for nobody.
   */
  async #rest(waitMs: number): Promise<void> {
    const { clock, reconnectMaxMs } = this.#options;
    do {
      const isYielding = this.#isYielding && this.#marks.size === 0;
      this.#isYielding = false;
      this.#resting = new AbortController();
      if (this.#stopping.signal.aborted) return;
      await pause(clock, isYielding ? reconnectMaxMs : waitMs, this.#resting.signal);
    } while (this.#isYielding && this.#marks.size === 0);
  }

  async #testify(
    token: bigint,
    by: 'confession' | 'testimony',
    reason: string,
    until: number,
  ): Promise<boolean> {
    const { clock, logger } = this.#options;
    while (clock.mono() < until) {
      const session = this.#session;
      if (session === undefined) {
        if (this.#stopping.signal.aborted) return false;
        // stop() resolves it, too: one of them ends the pause, and nothing of the pause is left.
        const opened = new AbortController();
        void this.#opened.promise.then(() => opened.abort());
        await pause(clock, until - clock.mono(), opened.signal);
        continue;
      }
      try {
        return await session.testify(token, by, reason);
      } catch (error) {
        logger.warn({ token, reason: messageOf(error) }, 'could not mark the term ended');
        session.destroy();
        this.#lost?.();
        if (this.#session === session) this.#session = undefined;
        if (this.#stopping.signal.aborted) return false;
      }
    }
    return false;
  }
}

/** A pause that ends early, quietly, when the signal aborts. */
export function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.setTimer(clock.mono() + Math.max(0, ms), end);
    signal?.addEventListener('abort', end, { once: true });
  });
}
