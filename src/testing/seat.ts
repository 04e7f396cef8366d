import type { Clock } from '../core/clock.ts';
import { LockdError } from '../core/errors.ts';
import type { History, Lease } from '../core/machine/lease.ts';
import type { AttemptAnswer, Bid, BidAnswer, Candidate } from '../core/store.ts';

type Row = Omit<Lease, 'beatAgeMs' | 'server'> & { readonly beatAt: number | undefined };

/** Called when another token has begun, or this one has ended; `before` is the last token until then. */
export type Moved = (before: bigint) => void;

interface Waiter {
  readonly session: object;
  readonly answer: (isGranted: boolean) => void;
  readonly cancel: () => void;
}

const unled: Row = {
  token: 0n,
  beat: 0,
  beatAt: undefined,
  ttlMs: 0,
  heartbeatMs: 0,
  instance: undefined,
  label: undefined,
  isEnded: false,
  recorded: undefined,
};

const history: History = { timeline: '00000001', systemIdentifier: '1', lockClass: 16_384 };

/** What this server's clock counts from: fixed, so that a test sees the same tokens each time. */
export const epochMs: number = Date.UTC(2026, 0, 1);

/** One name on the server: its lease row, and the seat that sessions queue for. */
export class Seat {
  readonly #clock: Clock;
  readonly #moved: Moved;
  #row: Row = unled;
  #holder: object | undefined;
  #queue: Waiter[] = [];

  constructor(clock: Clock, moved: Moved) {
    this.#clock = clock;
    this.#moved = moved;
  }

  get lease(): Lease {
    const { beatAt, ...row } = this.#row;
    const beatAgeMs = beatAt === undefined ? undefined : Math.round(this.#clock.mono() - beatAt);
    return { ...row, beatAgeMs, server: history };
  }

  /** First come, first served. The lease is read when the seat is had, or when the wait is over. */
  attempt(session: object, waitMs: number): Promise<AttemptAnswer> {
    if (this.#holder === session) {
      throw new LockdError('LOCKD_OCCUPIED', 'This session already holds the seat.');
    }
    return new Promise((resolve) => {
      const answer = (isGranted: boolean): void => resolve({ isGranted, lease: this.lease });
      const giveUp = (): void => {
        this.#unqueue(session);
        answer(false);
      };
      const cancel = this.#clock.setTimer(this.#clock.mono() + waitMs, giveUp);
      this.#queue.push({ session, answer, cancel });
      this.#grant();
    });
  }

  /** A compare-and-set from exactly the row that the bid was based on. */
  succeed(session: object, bid: Bid, who: Candidate): BidAnswer {
    const row = this.#row;
    if (this.#holder !== session) {
      throw new LockdError('LOCKD_UNCERTAIN', 'The seat is not held by this session any more.', {
        isRetryable: true,
      });
    }
    if (row.token !== bid.token || row.beat !== bid.beat || row.isEnded !== bid.isEnded) {
      return { outcome: 'changed' };
    }
    const beatAt = this.#clock.mono();
    const clockMs = BigInt(Math.floor(epochMs + beatAt));
    const token = greatest(row.token + 1n, bid.highestToken + 1n, clockMs);
    const { ttlMs, heartbeatMs, instance, label } = who;
    const began = { token, beat: 0, beatAt, isEnded: false, recorded: history };
    this.#row = { ...began, ttlMs, heartbeatMs, instance, label };
    this.#moved(row.token);
    return { outcome: 'taken', token };
  }

  beat(session: object, token: bigint): boolean {
    const row = this.#row;
    if (row.token !== token || row.isEnded || this.#holder !== session) return false;
    this.#row = { ...row, beat: row.beat + 1, beatAt: this.#clock.mono() };
    return true;
  }

  /** False when there is nothing of this token to mark. */
  markEnded(token: bigint): boolean {
    if (this.#row.token !== token || this.#row.isEnded) return false;
    this.#row = { ...this.#row, isEnded: true };
    this.#moved(token);
    return true;
  }

  /** Out of the queue, and out of the seat. True when it was held. */
  leave(session: object): boolean {
    this.#unqueue(session);
    if (this.#holder !== session) return false;
    this.#holder = undefined;
    this.#grant();
    return true;
  }

  #grant(): void {
    if (this.#holder !== undefined) return;
    const next = this.#queue.shift();
    if (next === undefined) return;
    this.#holder = next.session;
    next.cancel();
    next.answer(true);
  }

  #unqueue(session: object): void {
    const isTheirs = (waiter: Waiter): boolean => waiter.session === session;
    for (const waiter of this.#queue.filter(isTheirs)) waiter.cancel();
    this.#queue = this.#queue.filter((waiter) => !isTheirs(waiter));
  }
}

const greatest = (...values: bigint[]): bigint =>
  values.reduce((most, next) => (next > most ? next : most));
