import { flag } from './checks.ts';
import type { Control } from './control.ts';
import type { LockdError } from './errors.ts';
import { refuseUnknown } from './known.ts';
import type { EndReason } from './machine/protocol.ts';
import type { Witness } from './runtime.ts';
import type { Store } from './store.ts';
import type { Term } from './term.ts';

/**
 * `draining`: the gate is closed and work in flight is finishing. `stopped`: not started, or stop()
 * has settled; forced, it may have given up on work that still runs.
 */
export type ControllerState = 'passive' | 'active' | 'draining' | 'stopped';

/** The leader as a standby last saw it. */
export interface Leader {
  /** The fencing token of its term. */
  readonly token: bigint;
  /** The uuid of its controller: `controller.instance`. */
  readonly instance: string | undefined;
  /** Its `label`: by default `hostname:pid`. */
  readonly label: string | undefined;
}

/** What a controller knows of itself; it asks no database. */
export interface Standing {
  readonly state: ControllerState;
  /** Of its term, while `active` or `draining`. */
  readonly token: bigint | undefined;
  /** How long the gate stays open without another beat, counted from when the last acknowledged one was sent. */
  readonly validForMs: number;
  /** Since that beat was sent, while it holds the lease. */
  readonly lastBeatAgeMs: number | undefined;
  readonly ttlMs: number;
  readonly heartbeatMs: number;
  /** It has a session to campaign or lead with. */
  readonly isConnected: boolean;
  /** Tries to have one, or to take over, that have failed in a row. */
  readonly failures: number;
  /** Who leads as far as it knows: itself, or whose beats it sees. Undefined once they have stopped. */
  readonly leader: Leader | undefined;
}

export interface ControllerEvents {
  /** Exactly once per term, when the gate has opened. */
  active: [term: Term];
  /** Exactly once per `active`, when the gate has closed and the term is aborted. */
  passive: [term: Term, reason: EndReason];
  /** Work in flight has finished after `passive`; `tookMs` since the gate closed. */
  drained: [drain: { readonly token: bigint; readonly tookMs: number }];
  /** A beat was answered, or its session broke before: then, and where it was refused, it is not kept. */
  beat: [beat: { readonly token: bigint; readonly roundTripMs: number; readonly isKept: boolean }];
  /** `passiveNotice()` was asked while PASSIVE. */
  notice: [notice: { readonly isSent: boolean }];
  /** The watcher stands in the queue once more, for at most `waitMs`. */
  attempt: [attempt: { readonly attempt: number; readonly waitMs: number }];
  /** Another instance leads. */
  observed: [leader: Leader];
  /**
   * Something went wrong that heals by itself, or needs an operator; never thrown. That it cannot
   * campaign is told at once, and then about once a minute while it fails the same way, or does so
   * again; tries go on all the while.
   */
  warning: [error: LockdError];
  /** The controller has let go of everything. */
  stopped: [];
}

/** What `gated` answers: the handler's own result, or that it did not run. */
export type Gated<Result> =
  | { readonly ran: true; readonly value: Result }
  | { readonly ran: false };

export interface LeaveOptions {
  /** Give the seat up when the drain overruns, without saying that the work has stopped. */
  readonly force?: boolean | undefined;
}

export function isForced(options: LeaveOptions): boolean {
  refuseUnknown(options, { force: true });
  return flag('force', options.force ?? false);
}

/** What a controller is joined with: a database, and what stands in for its own control session. */
export interface ControllerParts {
  readonly store: Store;
  readonly control?: Control | undefined;
  readonly witness?: Witness | undefined;
}
