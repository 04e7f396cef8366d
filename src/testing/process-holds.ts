import { processPrefix } from '../core/checks.ts';
import type { Instant } from '../core/clock.ts';
import { HoldTable } from '../core/locks/memory-table.ts';
import type { Beat, HoldNotice } from '../core/locks/store.ts';
import type { Lease } from '../core/machine/lease.ts';
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
  /** By process and machine. */
  readonly #sightings = new Map<string, Instant & Pick<Beat, 'token' | 'beat'> & { at: number }>();
  /** False: what was held has been forgotten, and no process has begun a lease since. */
  #hasEpoch = true;

  constructor(parts: ProcessHoldsParts) {
    this.#parts = parts;
    this.table = new HoldTable({
      now: parts.now,
      isAlive: (process, token) => this.#isAlive(process, token),
      labelOf: (process) => this.#seatOf(process).lease.label,
      silenceOf: (process) => silenceOf(this.#seatOf(process).lease),
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
    this.#sightings.clear();
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
        isOverdue: silenceOf(this.#seatOf(process).lease).isOverdue,
      };
    });
  }

  expire({ process, token, beat }: Beat): boolean {
    const seat = this.#seatOf(process);
    return seat.lease.beat === beat && seat.markEnded(token);
  }

  /** As `lockd.sight` in migrations/0005_silence.sql. */
  sight({ process, token, beat }: Beat, machine: string, { mono, boot }: Instant): boolean {
    const { lease } = this.#seatOf(process);
    if (lease.beat !== beat || !this.#isAlive(process, token)) return false;
    const key = `${process}@${machine}`;
    const at = this.#parts.now().getTime();
    const first = this.#sightings.get(key);
    const isSame = first?.token === token && first.beat === beat;
    if (!isSame || first.mono > mono || first.boot > boot || first.at > at) {
      this.#sightings.set(key, { token, beat, mono, boot, at });
      return false;
    }
    return Math.min(mono - first.mono, boot - first.boot, at - first.at) >= lease.ttlMs;
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

const silenceOf = ({ beatAgeMs = 0, heartbeatMs, ttlMs }: Lease) => ({
  isOverdue: beatAgeMs > 2 * heartbeatMs,
  isSilent: beatAgeMs > ttlMs,
});
