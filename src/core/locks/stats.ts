import { modeInWords } from './options.ts';
import type { Mode } from './store.ts';

/** How long something took: least, mean and most of all, the rest of the last 128. In milliseconds. */
export interface Spread {
  readonly count: number;
  readonly minMs: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** What this manager has done with one resource in one mode. */
export interface ResourceStats {
  readonly resource: string;
  /** `exclusive`, `shared` or `3 permits`. */
  readonly mode: string;
  readonly acquisitions: number;
  readonly releases: number;
  /** Waits that were given up: overdue, or aborted. */
  readonly timeouts: number;
  /** Refusals, deadlocks, and calls that the server failed. */
  readonly errors: number;
  /** Holds that ended otherwise than by `release()`. */
  readonly losses: number;
  /** Held now, by this manager. */
  readonly holders: number;
  /** Waited for now, in this manager. */
  readonly waiters: number;
  readonly wait: Spread;
  readonly hold: Spread;
}

export interface Operation {
  /** By this machine's clock. */
  readonly at: string;
  readonly what: Outcome;
  readonly resource: string;
  readonly mode: string;
  readonly owner: string;
  /** How long it was waited for, or held. */
  readonly tookMs: number;
}

export type Outcome = 'acquired' | 'released' | 'timed out' | 'failed' | 'lost';

/** What JSON can hold; counts are of this manager, since it was made. */
export interface LockStats {
  readonly resources: readonly ResourceStats[];
  /** The last 100, oldest first. */
  readonly operations: readonly Operation[];
}

/** The most resources that are told apart; the ones used least lately are forgotten. */
const resourcesKept = 1_000;
const operationsKept = 100;

/** Counts in bounded memory. */
export class Stats {
  readonly #entries = new Map<string, Entry>();
  readonly #operations: Operation[] = [];

  begin(resource: string, mode: Mode): void {
    this.#entryOf(resource, mode).waiters += 1;
  }

  end(what: Outcome, resource: string, mode: Mode, owner: string, tookMs: number): void {
    const entry = this.#entryOf(resource, mode);
    switch (what) {
      case 'acquired':
        entry.waiters -= 1;
        entry.holders += 1;
        entry.wait.add(tookMs);
        break;
      case 'timed out':
        entry.waiters -= 1;
        entry.timeouts += 1;
        break;
      case 'failed':
        entry.waiters -= 1;
        entry.errors += 1;
        break;
      case 'lost':
        entry.losses += 1;
        break;
      case 'released':
        entry.holders -= 1;
        entry.hold.add(tookMs);
        break;
    }
    const at = new Date().toISOString();
    this.#operations.push({ at, what, resource, mode: modeInWords(mode), owner, tookMs });
    if (this.#operations.length > operationsKept) this.#operations.shift();
  }

  read(): LockStats {
    const resources = [...this.#entries.values()].map((entry) => ({
      resource: entry.resource,
      mode: entry.mode,
      acquisitions: entry.wait.count,
      releases: entry.hold.count,
      timeouts: entry.timeouts,
      errors: entry.errors,
      losses: entry.losses,
      holders: entry.holders,
      waiters: entry.waiters,
      wait: entry.wait.read(),
      hold: entry.hold.read(),
    }));
    return { resources, operations: [...this.#operations] };
  }

  #entryOf(resource: string, mode: Mode): Entry {
    const inWords = modeInWords(mode);
    const key = `${inWords} ${resource}`;
    const entry = this.#entries.get(key) ?? new Entry(resource, inWords);
    // The last one used is the last one of the map.
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (this.#entries.size > resourcesKept) this.#forget();
    return entry;
  }

  /** Of what is neither held nor waited for; what is in use has to be counted down. */
  #forget(): void {
    for (const [key, entry] of this.#entries) {
      if (entry.holders > 0 || entry.waiters > 0) continue;
      this.#entries.delete(key);
      return;
    }
  }
}

class Entry {
  readonly resource: string;
  readonly mode: string;
  readonly wait = new Durations();
  readonly hold = new Durations();
  holders = 0;
  waiters = 0;
  timeouts = 0;
  errors = 0;
  losses = 0;

  constructor(resource: string, mode: string) {
    this.resource = resource;
    this.mode = mode;
  }
}

const lastKept = 128;

class Durations {
  readonly #last: number[] = [];
  #sumMs = 0;
  #minMs = Number.POSITIVE_INFINITY;
  #maxMs = 0;
  count = 0;

  add(ms: number): void {
    this.#last[this.count % lastKept] = ms;
    this.count += 1;
    this.#sumMs += ms;
    this.#minMs = Math.min(this.#minMs, ms);
    this.#maxMs = Math.max(this.#maxMs, ms);
  }

  read(): Spread {
    const { count } = this;
    if (count === 0) return { count, minMs: 0, meanMs: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 };
    const sorted = [...this.#last].sort((one, other) => one - other);
    const at = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
    return {
      count,
      minMs: this.#minMs,
      meanMs: this.#sumMs / count,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      maxMs: this.#maxMs,
    };
  }
}
