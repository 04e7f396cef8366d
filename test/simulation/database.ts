import type { History } from '../../src/core/machine/lease.ts';
import type { Luck } from './luck.ts';
import type { World } from './world.ts';

export interface LeaseRow {
  readonly token: bigint;
  readonly beat: number;
  readonly ttlMs: number;
  readonly heartbeatMs: number;
  readonly beatAt: number | undefined;
  readonly instance: string | undefined;
  readonly label: string | undefined;
  readonly isEnded: boolean;
  readonly recorded: History | undefined;
}

/** The rows of one name. */
export interface Tables {
  readonly lease: LeaseRow;
  readonly fence: bigint;
}

interface Commit {
  readonly at: number;
  readonly tables: Tables;
}

const empty: Tables = {
  lease: {
    token: 0n,
    beat: 0,
    ttlMs: 0,
    heartbeatMs: 0,
    beatAt: undefined,
    instance: undefined,
    label: undefined,
    isEnded: false,
    recorded: undefined,
  },
  fence: 0n,
};

/**
 * What is committed, what of it is durable, and what a standby has of it. A commit is seen by others
 * when it returns; with `synchronous_commit = off` that is before it is durable.
 */
export class Database {
  readonly #world: World;
  readonly #luck: Luck;
  readonly #flushMs: number;
  #log: Commit[] = [{ at: 0, tables: empty }];
  /** Position in the log up to which it has reached the disk. */
  #durable = 0;
  #pending: { readonly tables: Tables; readonly done: () => void } | undefined;
  #stalledUntil = 0;
  #incarnation = 0;
  #timeline = 1;
  #system = 7;
  #lockClass = 16_385;

  constructor(world: World, luck: Luck, flushMs: number) {
    this.#world = world;
    this.#luck = luck;
    this.#flushMs = flushMs;
  }

  get tables(): Tables {
    return (this.#log.at(-1) as Commit).tables;
  }

  get history(): History {
    const timeline = this.#timeline.toString(16).padStart(8, '0');
    return { timeline, systemIdentifier: String(this.#system), lockClass: this.#lockClass };
  }

  /** Whoever writes holds the lease row's lock, so there is one commit at a time. */
  commit(tables: Tables, kind: 'durable' | 'asynchronous', done: () => void): void {
    const incarnation = this.#incarnation;
    const flushMs = this.#flushMs * this.#luck.between(0.2, 2);
    if (kind === 'asynchronous') {
      this.#log.push({ at: this.#world.now, tables });
      const position = this.#log.length - 1;
      this.#afterStall(600 * this.#luck.next(), () => {
        if (incarnation === this.#incarnation) this.#durable = Math.max(this.#durable, position);
      });
      done();
      return;
    }
    this.#pending = { tables, done };
    this.#afterStall(flushMs, () => {
      if (incarnation !== this.#incarnation) return;
      this.#pending = undefined;
      this.#log.push({ at: this.#world.now, tables });
      this.#durable = this.#log.length - 1;
      done();
    });
  }

  /** The disk, or the standby that commits wait for, hangs. */
  stall(ms: number): void {
    this.#stalledUntil = Math.max(this.#stalledUntil, this.#world.now + ms);
  }

  becomeCalm(): void {
    this.#stalledUntil = 0;
  }

  /** A clean shutdown writes everything. */
  shutDown(): void {
    this.#begin(this.#log);
  }

  /** What had not reached the disk is gone; what was on its way may have reached it, unanswered. */
  crash(): number {
    const lost = this.#log.length - 1 - this.#durable;
    const kept = this.#log.slice(0, this.#durable + 1);
    if (this.#pending !== undefined && this.#luck.chance(0.5)) {
      kept.push({ at: this.#world.now, tables: this.#pending.tables });
    }
    this.#begin(kept);
    return lost;
  }

  /** A standby that was behind by `lagMs` goes on instead, on a timeline of its own. */
  promote(lagMs: number): number {
    const until = this.#world.now - lagMs;
    this.#timeline += 1;
    return this.#goBackTo(({ at }) => at <= until);
  }

  /** A dump is put back, into another cluster or into tables made anew. */
  restore(lagMs: number, into: 'other-cluster' | 'other-tables'): number {
    const until = this.#world.now - lagMs;
    if (into === 'other-cluster') this.#system += 1;
    else this.#lockClass += 1;
    // One from before the first term has no record that could differ: nobody can tell, nor promises.
    const { at: firstAt = 0 } = this.#log.find(({ tables }) => tables.lease.token > 0n) ?? {};
    return this.#goBackTo(({ at }) => at <= Math.max(until, firstAt));
  }

  /** As it was before the current term: what was lost is known only to those who have seen it. */
  rewind(): number {
    const { token } = this.tables.lease;
    return this.#goBackTo(({ tables }) => tables.lease.token < token);
  }

  #goBackTo(isKept: (commit: Commit) => boolean): number {
    const kept = this.#log.filter((commit, index) => index === 0 || isKept(commit));
    const lost = this.#log.length - kept.length;
    this.#begin(kept);
    return lost;
  }

  #begin(log: readonly Commit[]): void {
    this.#log = [...log];
    this.#durable = this.#log.length - 1;
    this.#pending = undefined;
    this.#incarnation += 1;
  }

  #afterStall(ms: number, run: () => void): void {
    const incarnation = this.#incarnation;
    this.#world.after(ms, () => {
      if (incarnation !== this.#incarnation) return;
      const leftMs = this.#stalledUntil - this.#world.now;
      if (leftMs > 0) this.#afterStall(Math.min(leftMs, 250), run);
      else run();
    });
  }
}
