import { type Deferred, deferred } from './deferred.ts';

/** From one start() to the end of its stop(). */
export interface Run {
  /** The first attempt has been answered. */
  readonly settled: Deferred<void>;
  /** The machine has let go of everything. */
  readonly halted: Deferred<void>;
  isCampaigning: boolean;
  started: Promise<void>;
  stopped: Promise<void> | undefined;
}

export const beginRun = (): Run => ({
  settled: deferred(),
  halted: deferred(),
  isCampaigning: false,
  started: Promise.resolve(),
  stopped: undefined,
});
