import type { Clock } from '../core/clock.ts';
import { type Deferred, deferred } from '../core/deferred.ts';
import { LockdError } from '../core/errors.ts';
import type { Candidate, ControlHooks, SeatHooks } from '../core/store.ts';

export type SessionKind = 'seat' | 'control' | 'work';

export interface SessionParts {
  readonly backend: number;
  readonly kind: SessionKind;
  readonly who: Candidate;
  readonly hooks: SeatHooks & Partial<ControlHooks>;
  readonly clock: Clock;
  /** Settles when what is sent between the two ends arrives: at once, unless their line is cut. */
  readonly arrival: () => Promise<void>;
  /** The server's end is over: what it held is free. */
  readonly over: (session: Session) => void;
}

/** A connection with both its ends: the server may end it, and so may its client. */
export class Session {
  readonly #parts: SessionParts;
  readonly #broken: Deferred<never> = deferred();
  #isOver = false;
  #isHeard = true;
  #cancelIdle: () => void = () => {};
  /** The server ends a session that is silent for so long between two calls; 0: it does not. */
  idleMs = 0;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#broken.promise.catch(() => {}); // whoever has asked something hears of it
  }

  get backend(): number {
    return this.#parts.backend;
  }

  get kind(): SessionKind {
    return this.#parts.kind;
  }

  get who(): Candidate {
    return this.#parts.who;
  }

  ask<Answer>(work: () => Answer | Promise<Answer>): Promise<Answer> {
    return Promise.race([this.#broken.promise, this.#perform(work)]);
  }

  /** As `ask`; without an answer in time the client cuts the connection. */
  async bounded<Answer>(timeoutMs: number, work: () => Answer): Promise<Answer> {
    const { clock } = this.#parts;
    const cancel = clock.setTimer(clock.mono() + timeoutMs, () => {
      this.#hear(unanswered(timeoutMs));
      this.destroy();
    });
    try {
      return await this.ask(work);
    } finally {
      cancel();
    }
  }

  /** Something on its way to the client: heard when it arrives, if somebody is there still. */
  tell(hear: (hooks: Partial<ControlHooks>) => void): void {
    const { arrival, hooks } = this.#parts;
    void arrival().then(() => {
      if (this.#isHeard) hear(hooks);
    });
  }

  /** The client's end: nothing is heard from here on. The server learns of it if the line allows. */
  destroy(): void {
    this.#isHeard = false;
    this.#broken.reject(connectionLost('the connection was closed'));
    void this.#parts.arrival().then(() => this.#finish());
  }

  /** The server's end. */
  end(reason: string): void {
    if (this.#finish()) void this.#parts.arrival().then(() => this.#hear(connectionLost(reason)));
  }

  /** Waits for the next call. */
  rest(): void {
    const { clock } = this.#parts;
    this.#cancelIdle();
    if (this.#isOver || this.idleMs === 0) return;
    this.#cancelIdle = clock.setTimer(clock.mono() + this.idleMs, () =>
      this.end('terminating connection due to idle-session timeout'),
    );
  }

  async #perform<Answer>(work: () => Answer | Promise<Answer>): Promise<Answer> {
    const { arrival } = this.#parts;
    await arrival();
    if (this.#isOver) throw connectionLost('the connection was closed');
    this.#cancelIdle();
    try {
      return await work();
    } finally {
      this.rest();
      await arrival();
    }
  }

  #hear(error: LockdError): void {
    if (!this.#isHeard) return;
    this.#isHeard = false;
    this.#broken.reject(error);
    this.#parts.hooks.lost(error);
  }

  #finish(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#cancelIdle();
    this.#parts.over(this);
    return true;
  }
}

export const connectionLost = (message: string): LockdError =>
  new LockdError('LOCKD_CONNECTION', message, { isRetryable: true });

export const unanswered = (timeoutMs: number): LockdError =>
  new LockdError('LOCKD_TIMEOUT', `The server did not answer within ${timeoutMs} ms.`, {
    isRetryable: true,
  });
