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
  /** What was not had because it was held: refused at once, overdue, or given up by `signal`. */
  readonly timeouts: number;
  /** Everything else that was not had: deadlocks, a wrong mode, an owner that has it, no answer. */
  readonly errors: number;
  /** Holds that have ended otherwise than by `release()`. With `releases` and `holders`: all acquisitions. */
  readonly losses: number;
  /** Held now, by this manager. */
  readonly holders: number;
  /** Waited for now, in this manager. */
  readonly waiters: number;
  /** How long was waited for what was had. */
  readonly wait: Spread;
  /** How long was held what is not held any more. */
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
  /** All that are held or waited for, and the last 1 000 of those that were. */
  readonly resources: readonly ResourceStats[];
  /** The last 100, oldest first. */
  readonly operations: readonly Operation[];
}

/** How many resources that are not in use are told of; the ones used least lately are forgotten. */
const idleKept = 1_000;
const operationsKept = 100;

/** Counts, in memory that is bounded by what is in use. */
export class Stats {
  readonly #used = new Map<string, Entry>();
  /** The last one used is the last one of the map. */
  readonly #idle = new Map<string, Entry>();
  /** A ring: the oldest one is where the next one goes. */
  readonly #operations: (Omit<Operation, 'at'> & { readonly at: Date })[] = [];
  #next = 0;

  begin(resource: string, mode: Mode): void {
    const inWords = modeInWords(mode);
    const key = keyOf(resource, inWords);
    const entry = this.#used.get(key) ?? this.#idle.get(key) ?? new Entry(resource, inWords);
    this.#idle.delete(key);
    this.#used.set(key, entry);
    entry.waiters += 1;
  }

  end(what: Outcome, resource: string, mode: Mode, owner: string, tookMs: number): void {
    const inWords = modeInWords(mode);
    const key = keyOf(resource, inWords);
    const entry = this.#used.get(key);
    if (entry === undefined) return;
    entry.count(what, tookMs);
    if (entry.holders + entry.waiters === 0) this.#rest(key, entry);
    this.#operations[this.#next] = { at: new Date(), what, resource, mode: inWords, owner, tookMs };
    this.#next = (this.#next + 1) % operationsKept;
  }

  read(): LockStats {
    const entries = [...this.#idle.values(), ...this.#used.values()];
    const all = this.#operations;
    const inOrder =
      all.length < operationsKept ? all : [...all.slice(this.#next), ...all.slice(0, this.#next)];
    return {
      resources: entries.map((entry) => entry.read()),
      operations: inOrder.map((one) => ({ ...one, at: one.at.toISOString() })),
    };
  }

  #rest(key: string, entry: Entry): void {
    this.#used.delete(key);
    this.#idle.set(key, entry);
    if (this.#idle.size <= idleKept) return;
    const [oldest] = this.#idle.keys();
    if (oldest !== undefined) this.#idle.delete(oldest);
  }
}

const keyOf = (resource: string, mode: string): string => `${mode} ${resource}`;

class Entry {
  readonly #resource: string;
  readonly #mode: string;
  readonly #wait = new Durations();
  readonly #hold = new Durations();
  holders = 0;
  waiters = 0;
  #releases = 0;
  #timeouts = 0;
  #errors = 0;
  #losses = 0;

  constructor(resource: string, mode: string) {
    this.#resource = resource;
    this.#mode = mode;
  }

  count(what: Outcome, tookMs: number): void {
    switch (what) {
      case 'acquired':
        this.waiters -= 1;
        this.holders += 1;
        this.#wait.add(tookMs);
        break;
      case 'timed out':
        this.waiters -= 1;
        this.#timeouts += 1;
        break;
      case 'failed':
        this.waiters -= 1;
        this.#errors += 1;
        break;
      case 'lost':
        this.holders -= 1;
        this.#losses += 1;
        this.#hold.add(tookMs);
        break;
      case 'released':
        this.holders -= 1;
        this.#releases += 1;
        this.#hold.add(tookMs);
        break;
    }
  }

  read(): ResourceStats {
    return {
      resource: this.#resource,
      mode: this.#mode,
      acquisitions: this.#wait.count,
      releases: this.#releases,
      timeouts: this.#timeouts,
      errors: this.#errors,
      losses: this.#losses,
      holders: this.holders,
      waiters: this.waiters,
      wait: this.#wait.read(),
      hold: this.#hold.read(),
    };
  }
}

const lastKept = 128;

class Durations {
  /** Made with the first one: of ten thousand holds most have waited once, and not ended yet. */
  #last: number[] | undefined;
  #sumMs = 0;
  #minMs = Number.POSITIVE_INFINITY;
  #maxMs = 0;
  count = 0;

  add(ms: number): void {
    if (this.#last === undefined) this.#last = [ms];
    else this.#last[this.count % lastKept] = ms;
    this.count += 1;
    this.#sumMs += ms;
    this.#minMs = Math.min(this.#minMs, ms);
    this.#maxMs = Math.max(this.#maxMs, ms);
  }

  read(): Spread {
    const { count } = this;
    if (count === 0) return { count, minMs: 0, meanMs: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 };
    const sorted = [...(this.#last ?? [])].sort((one, other) => one - other);
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
