import type { LockdError } from '../errors.ts';
import type { Hold } from './hold.ts';
import type { Outcome } from './stats.ts';
import type { Holding, Mode, Waiting } from './store.ts';

/** One thing that `stats()` counts. */
export interface LockOperation {
  readonly what: Outcome;
  readonly resource: string;
  readonly mode: Mode;
  readonly owner: string;
  /** How long it was waited for; of what was released or lost: held. */
  readonly tookMs: number;
  /** What was had; undefined where nothing was. */
  readonly hold: Hold | undefined;
}

/** Typed events of a manager; what heals by itself is a warning, and is never thrown. */
export interface LockEvents {
  /** A hold was granted: exactly once for each. */
  'resource.locked': [hold: Hold];
  /** A hold was given back by `release()`. Each hold ends with exactly one of this and `resource.lost`. */
  'resource.unlocked': [hold: Hold];
  /** Somebody of this manager waits for what others have: once for each wait. */
  'resource.contended': [
    contention: {
      readonly resource: string;
      readonly mode: Mode;
      readonly owner: string;
      readonly holders: readonly Holding[];
    },
  ];
  /** A hold has ended otherwise than by `release()`; its signal has aborted. */
  'resource.lost': [hold: Hold, error: LockdError];
  /**
   * An acquire has had its answer (`acquired`, `timed out`, `failed`), or a hold has ended (`released`,
   * `lost`): exactly once for each, in front of the event that tells people of it.
   */
  'resource.operation': [operation: LockOperation];
  /** Something went wrong that heals by itself, or that somebody should look at: a long wait, say. */
  warning: [error: LockdError];
}

/** What `once` answers: the routine's own result, or who is running it already. */
export type Once<Result> =
  | { readonly status: 'ran'; readonly value: Result }
  | { readonly status: 'already-running'; readonly holder: Holding | undefined };

/** Who has a resource, and who waits for it, first come first. */
export interface Inspection {
  readonly resource: string;
  readonly holders: readonly Holding[];
  readonly waiters: readonly Waiting[];
}

export interface ForceOptions {
  /** Who takes it away, for people: 1 to 500 characters. */
  readonly by: string;
  /** Why, for people: 1 to 500 characters. */
  readonly reason: string;
  /** How long the holders have to let go after they were asked, 0 to a day. @default 5 000 ms */
  readonly graceMs?: number | undefined;
}

/** What came of it: who let go when asked, and whom it was taken from. */
export interface Forced {
  readonly released: readonly Holding[];
  readonly taken: readonly Holding[];
}
