import { processPrefix } from '../core/checks.ts';
import { HoldTable } from '../core/locks/memory-table.ts';
import type { Beat, HoldNotice } from '../core/locks/store.ts';
import type { Seat } from './seat.ts';

export interface ProcessHoldsParts {
  readonly now: () => Date;
  readonly seatOf: (name: string) => Seat;
  /** To the process with this name. */
  readonly tell: (name: string, notice: HoldNotice) => void;
}

/**
 * What processes hold on the server in memory: alive while their leases are. The rules are those of the
 * trigger `process_moved` in migrations/0003_holds.sql.
 */
export class ProcessHolds {
  readonly table: HoldTable;
  readonly #parts: ProcessHoldsParts;
  /** Their numbers are their places, from 1. */
  readonly #names: string[] = [];
  /** Who may hold what was forgotten, and under which token. */
  readonly #doubts = new Map<number, bigint>();
  /** False: what was held has been forgotten, and no process has begun a lease since. */
  #hasEpoch = true;

  constructor(parts: ProcessHoldsParts) {
    this.#parts = parts;
    this.table = new HoldTable({
      now: parts.now,
      isAlive: (process, token) => this.#isAlive(process, token),
      labelOf: (process) => this.#seatOf(process).lease.label,
      tell: (process, notice) => parts.tell(this.#nameOf(process), notice),
    });
  }

  processOf(name: string): number {
    const index = this.#names.indexOf(name);
    return index >= 0 ? index + 1 : this.#names.push(name);
  }

  /** The lease of a process has a new token, or has ended: what hung on the one before is free. */
  moved(name: string, before: bigint): void {
    if (!name.startsWith(processPrefix)) return;
    const process = this.processOf(name);
    if (!this.#hasEpoch && !this.#parts.seatOf(name).lease.isEnded) this.#beginEpoch(process);
    const doubted = this.#doubts.get(process);
    if (doubted !== undefined && doubted <= before) this.#doubts.delete(process);
    if (this.#hasEpoch && this.#doubts.size === 0) this.table.trust();
    this.table.freeAll(process, before);
  }

  forget(): void {
    this.table.forget();
    this.#hasEpoch = false;
  }

  /** Of the processes that stand before these resources, and of those in doubt; not of `own`. */
  beats(own: number, session: number, resources: readonly string[]): readonly Beat[] {
    const processes = new Set([...this.table.processesAt(resources), ...this.#doubts.keys()]);
    processes.delete(own);
    return [...processes].map((process) => {
      const { token, beat, ttlMs } = this.#seatOf(process).lease;
      return {
        process,
        token,
        beat,
        ttlMs,
        session,
        isDoubted: this.#doubts.get(process) === token,
      };
    });
  }

  expire({ process, token, beat }: Beat): boolean {
    const seat = this.#seatOf(process);
    return seat.lease.beat === beat && seat.markEnded(token);
  }

  /** Everybody whose lease has not ended may still work under what was forgotten. */
  #beginEpoch(first: number): void {
    this.#hasEpoch = true;
    for (const [index] of this.#names.entries()) {
      const process = index + 1;
      const { token } = this.#seatOf(process).lease;
      if (process !== first && this.#isAlive(process, token)) this.#doubts.set(process, token);
    }
  }

  #isAlive(process: number, token: bigint): boolean {
    const { lease } = this.#seatOf(process);
    return token > 0n && lease.token === token && !lease.isEnded;
  }

  #seatOf(process: number): Seat {
    return this.#parts.seatOf(this.#nameOf(process));
  }

  #nameOf(process: number): string {
    return this.#names[process - 1] as string;
  }
}
