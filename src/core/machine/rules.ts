import type { Takeover } from './lease.ts';

/** The sizes the machine works with, all in milliseconds and all settled by `settleOptions`. */
export interface Rules {
  readonly instance: string;
  /** False: it only looks, and is never granted the seat. */
  readonly isEligible: boolean;
  readonly ttlMs: number;
  readonly heartbeatMs: number;
  readonly marginMs: number;
  readonly takeover: Takeover;
  readonly blockers: 'report' | 'terminate';
  readonly firstWaitMs: number;
  readonly maxWaitMs: number;
  readonly waitFactor: number;
  readonly reconnectMaxMs: number;
  readonly connectTimeoutMs: number;
  readonly callTimeoutMs: number;
  readonly drainTimeoutMs: number;
}
