import type { HoldNotice } from './locks/store.ts';
import type { Lease } from './machine/lease.ts';

/** Who campaigns: what sessions write beside the lease so that people know whom to look for. */
export interface Candidate {
  readonly name: string;
  /** One uuid per controller, never a hostname: two of one host must not renew each other. */
  readonly instance: string;
  readonly label: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly ttlMs: number;
  readonly heartbeatMs: number;
  /** The server ends a seat session that is silent this long while nobody leads through it. */
  readonly passiveIdleMs: number;
  /** Who goes first when the seat comes free: see `rankOf`. */
  readonly rank: readonly number[];
  /** False: it observes, and never leads. */
  readonly isEligible: boolean;
  readonly appVersion: string | undefined;
}

export interface AttemptAnswer {
  readonly isGranted: boolean;
  /** It came free, and was left to somebody who goes first. */
  readonly isYielded?: boolean | undefined;
  readonly lease: Lease;
}

/** A takeover is a compare-and-set from exactly what its decision was based on. */
export interface Bid {
  readonly token: bigint;
  readonly beat: number;
  readonly isEnded: boolean;
  /** The highest token this process ever saw: the new one is above it, whatever the row lost. */
  readonly highestToken: bigint;
  /** How long it may stand at the fence gate. */
  readonly waitMs: number;
}

export type BidAnswer =
  | {
      readonly outcome: 'taken';
      readonly token: bigint;
      /** Without a leader before this term, by the database's clock; undefined before the first one. */
      readonly gapMs?: number | undefined;
    }
  /** The row is no longer what the decision was based on. */
  | { readonly outcome: 'changed' }
  /** Fenced transactions of these backends are still running. */
  | { readonly outcome: 'blocked'; readonly blockers: readonly number[] };

/**
 * The session that waits for the seat, holds it and beats. One call at a time. A call that rejects
 * leaves the session unusable: it may have had its effect all the same.
 */
export interface SeatSession {
  /** Process id of the backend, for logs. */
  readonly backend: number;
  /** @param yieldedMs For how long it has been giving way since the seat came free: that has a bound. */
  attempt(waitMs: number, yieldedMs?: number): Promise<AttemptAnswer>;
  readLease(): Promise<Lease>;
  takeover(bid: Bid): Promise<BidAnswer>;
  /** False when the lease, the seat or the backend is no longer ours. */
  beat(token: bigint): Promise<boolean>;
  /** Commits the mark, then frees the seat and tells. False when there was nothing of ours to mark. */
  release(token: bigint, reason: string): Promise<boolean>;
  /**
   * Ends the backends that hold up a takeover at the fence gate. Those it may not end it leaves, and
   * rejects with `LOCKD_FENCE_BLOCKED`, which says why; the session is none the worse for it.
   */
  terminateBlockers(): Promise<void>;
  /** Cuts the connection without a word. May be called twice. */
  destroy(): void;
}

export type NoticeKind =
  | 'taken'
  | 'released'
  | 'ended'
  | 'resign'
  /** To the instance in `reason`: get ready to lead after the term `token`. */
  | 'prepare'
  | 'declined'
  | 'unknown';

/** What the server told about a name. Never proof of anything: a reason to look. */
export interface Notice {
  readonly kind: NoticeKind;
  readonly token: bigint | undefined;
  readonly reason: string | undefined;
}

/** The session that registers the instance, keeps its presence, listens and confesses. */
export interface ControlSession {
  readonly backend: number;
  /** Marks the token ended. True when the term is over now, whoever said so. */
  testify(token: bigint, by: 'confession' | 'testimony', reason: string): Promise<boolean>;
  /** Says whether this instance is ready to lead after the term `token`. False: nobody waits for it. */
  answerHandoff(token: bigint, isReady: boolean, reason: string): Promise<boolean>;
  destroy(): void;
  /** Leaves politely: the instance is no longer registered. */
  close(): Promise<void>;
}

export interface SessionOptions<Hooks> {
  readonly hooks: Hooks;
  /** Aborting destroys a connection that is still being made. */
  readonly signal: AbortSignal;
  /** Bound for a connection and for each call while it is being set up. */
  readonly timeoutMs: number;
}

export interface SeatHooks {
  /** The session is over; called at most once, and not after `destroy()`. */
  lost(error: Error): void;
}

export interface ControlHooks extends SeatHooks {
  notice(notice: Notice): void;
  /** What concerns the resource locks of this process. */
  held?(notice: HoldNotice): void;
}

export type ServerHealth = 'accepting' | 'shutting-down' | 'unknown';

/** What the core needs of a database. */
export interface Store {
  openSeat(candidate: Candidate, options: SessionOptions<SeatHooks>): Promise<SeatSession>;
  openControl(candidate: Candidate, options: SessionOptions<ControlHooks>): Promise<ControlSession>;
  /** One fresh connection, only to hear whether the server is shutting down. Never rejects. */
  probe(timeoutMs: number): Promise<ServerHealth>;
}
