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

export interface ControllerEvents {
  /** Exactly once per term, when the gate has opened. */
  active: [term: Term];
  /** Exactly once per `active`, when the gate has closed and the term is aborted. */
  passive: [term: Term, reason: EndReason];
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
