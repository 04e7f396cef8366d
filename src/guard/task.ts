/** What a command may run under: a term, or a hold. */
export interface Mandate {
  readonly token: bigint;
  /** Aborts when it is over; its reason says why. */
  readonly signal: AbortSignal;
  /** Exact at the moment of the call. */
  isActive(): boolean;
  /** What the command is told of it; undefined takes a variable away. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** What is done under the lease: leading, again and again, or holding, once. */
export interface Task {
  /** Calls `work` whenever there is a mandate for it. Resolves, or rejects, when there will be none. */
  run(work: (mandate: Mandate) => Promise<void>): Promise<void>;
  /** Ends the mandate, waits for the work, lets go of everything. */
  stop(): Promise<void>;
}
