import type { Instant } from '../clock.ts';
import type { Complaints } from '../complaints.ts';
import type { LockdErrorCode } from '../errors.ts';
import type { AttemptAnswer, Bid, BidAnswer, Notice, ServerHealth } from '../store.ts';
import type { Lease, Sighting } from './lease.ts';
import type { Seen } from './standing.ts';

/** Why a term ended. The first reason wins. */
export type EndReason =
  | 'stopped'
  | 'resigned'
  | 'handed-over'
  | 'server-shutdown'
  | 'session-lost'
  | 'lease-lost'
  | 'deadline-passed';

/** The one statement in flight on the seat session, or the making of that session. */
export interface Call {
  readonly kind: 'connect' | 'attempt' | 'read' | 'takeover' | 'terminate' | 'beat' | 'release';
  /** Taken before anything was sent: trust counts from here. */
  readonly sent: Instant;
  /** Without an answer by then (monotonic) the connection is cut. */
  readonly until: number;
}

/** What a holder has besides its gate: the seat, beats, and how long it may trust itself. */
interface Tenure {
  readonly token: bigint;
  /** When the last acknowledged beat was sent. */
  readonly trusted: Instant;
  readonly nextBeatAt: number;
}

export type Phase =
  | { readonly is: 'stopped' }
  /** No session; waiting before the next connection. */
  | { readonly is: 'cooling'; readonly until: number }
  | { readonly is: 'connecting' }
  /** Standing in the server's queue. Stale: something was told since, the answer may be older. */
  | { readonly is: 'campaigning'; readonly isStale: boolean }
  /** Holding the seat, waiting until the predecessor's trust has run out. */
  | {
      readonly is: 'inheriting';
      readonly grantedAt: number;
      readonly startAt: number;
      /** Undefined until the row has been read again after a bid that changed nothing. */
      readonly lease: Lease | undefined;
      readonly readAt: number;
      /** Something was told while a read was in flight: it may have read too early. */
      readonly isStale: boolean;
    }
  | {
      readonly is: 'taking';
      readonly grantedAt: number;
      /** The server was found to be shutting down: what is taken is given back. */
      readonly isClosing: boolean;
    }
  | ({ readonly is: 'active'; readonly nextProbeAt: number } & Tenure)
  /** The gate is closed, work in flight is finishing; on purpose with the seat still held. */
  | ({
      readonly is: 'draining';
      readonly reason: EndReason;
      readonly isSeated: boolean;
      readonly overrunsAt: number;
      readonly hasOverrun: boolean;
      /** Only the answer to a beat is missing before the release. */
      readonly isDrained: boolean;
      readonly isForced: boolean;
    } & Tenure)
  | ({ readonly is: 'releasing'; readonly token: bigint; readonly reason: EndReason } & Pick<
      Tenure,
      'trusted'
    >);

export interface State {
  readonly phase: Phase;
  /** Somebody called start() and nobody stop(). */
  readonly isWanted: boolean;
  /** The first attempt after start() has had its answer. */
  readonly isSettled: boolean;
  /** Generation of the seat session: what an older one still says is not heard. */
  readonly seat: number;
  readonly call: Call | undefined;
  /** Number of the current attempt since the last term or start. */
  readonly attempt: number;
  readonly failures: number;
  readonly complaints: Complaints;
  readonly sighting: Sighting | undefined;
  /** Since when (monotonic) the seat of this ended or silent term has been left to somebody else. */
  readonly yielding: { readonly token: bigint; readonly since: number } | undefined;
  /** For whoever looks; no decision is made on it. */
  readonly seen: Seen | undefined;
  readonly highestToken: bigint;
  /** Token of the leader last told to subscribers. */
  readonly observed: bigint | undefined;
  readonly notedAt: number;
}

/** From a session: `seat` says which one, so that a session given up has nothing more to say. */
export type SeatEvent = { readonly seat: number } & (
  | { readonly is: 'opened' }
  | { readonly is: 'broken'; readonly error: unknown }
  | { readonly is: 'attempted'; readonly answer: AttemptAnswer }
  | { readonly is: 'read'; readonly lease: Lease }
  | { readonly is: 'bid'; readonly answer: BidAnswer }
  | { readonly is: 'terminated' }
  | { readonly is: 'beaten'; readonly isKept: boolean }
  | { readonly is: 'released'; readonly isMarked: boolean }
);

export type Event =
  | SeatEvent
  | { readonly is: 'start' }
  | { readonly is: 'stop'; readonly isForced: boolean }
  | { readonly is: 'resign'; readonly isForced: boolean }
  | { readonly is: 'tick' }
  | { readonly is: 'drained' }
  | { readonly is: 'noticed'; readonly notice: Notice }
  | { readonly is: 'probed'; readonly health: ServerHealth };

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What is to be done, in this order. One place runs them: `runtime.ts`. */
export type Effect =
  | { readonly do: 'open-seat'; readonly seat: number }
  | { readonly do: 'destroy-seat' }
  | { readonly do: 'attempt'; readonly waitMs: number; readonly yieldedMs: number }
  | { readonly do: 'read' }
  | { readonly do: 'takeover'; readonly bid: Bid }
  | { readonly do: 'terminate-blockers' }
  | { readonly do: 'beat'; readonly token: bigint }
  | { readonly do: 'release'; readonly token: bigint; readonly reason: EndReason }
  /** Tells the guard how long this token may be trusted (monotonic ms, the whole TTL). */
  | { readonly do: 'vouch'; readonly token: bigint; readonly until: number }
  | {
      readonly do: 'open-gate';
      readonly token: bigint;
      readonly gapMs: number | undefined;
    }
  /** Aborts the term, tells subscribers, and reports `drained` when work in flight has finished. */
  | { readonly do: 'end-term'; readonly reason: EndReason; readonly cause: unknown }
  | {
      readonly do: 'confess';
      readonly token: bigint;
      readonly reason: EndReason;
      readonly until: number;
    }
  | { readonly do: 'probe' }
  | { readonly do: 'reconnect-control' }
  /** The seat of this term is not ours any more, and its work has finished (or is given up). */
  | { readonly do: 'left'; readonly token: bigint; readonly isLost: boolean }
  /** start() has an answer: nothing, or what retrying cannot heal. */
  | { readonly do: 'settle'; readonly error?: unknown }
  /** stop() has an answer. */
  | { readonly do: 'halt' }
  | { readonly do: 'observe'; readonly lease: Lease }
  | { readonly do: 'tell-attempt'; readonly attempt: number; readonly waitMs: number }
  | {
      readonly do: 'warn';
      readonly code: LockdErrorCode;
      readonly message: string;
      readonly error?: unknown;
      readonly fields?: object;
    }
  | {
      readonly do: 'log';
      readonly level: LogLevel;
      readonly message: string;
      readonly fields?: object;
    };

export interface Transition {
  readonly state: State;
  readonly effects: readonly Effect[];
}

/** When an event happened, and the luck of the draw for it. */
export interface Moment extends Instant {
  readonly random: number;
}
