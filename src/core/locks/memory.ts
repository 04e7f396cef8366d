import { methods } from '../checks.ts';
import { type Clock, systemClock } from '../clock.ts';
import { type Names, refuseUnknown } from '../known.ts';
import { LockManager } from './manager.ts';
import { MemoryLease } from './memory-lease.ts';
import { memoryStore } from './memory-store.ts';
import { HoldTable } from './memory-table.ts';
import { type LockManagerOptions, settleLocks } from './settings.ts';
import type { HoldNotice } from './store.ts';

/** What a manager in memory can be told. All have defaults. */
export interface MemoryLockOptions
  extends Pick<
    LockManagerOptions,
    'label' | 'drainTimeoutMs' | 'reportAfterMs' | 'logger' | 'clock'
  > {
  /** Managers with the same one stand in each other's way. Default: one of its own. */
  readonly memory?: LockMemory | undefined;
}

const known: Names<MemoryLockOptions> = {
  label: true,
  drainTimeoutMs: true,
  reportAfterMs: true,
  logger: true,
  clock: true,
  memory: true,
};

/** A manager without a database, for what one process does at the same time. */
export function memoryLockManager(options: MemoryLockOptions): LockManager {
  refuseUnknown(options, known);
  const { memory, ...own } = options;
  const settled = settleLocks(own);
  const { candidate, rules, clock, logger } = settled;
  const shared = methods('memory', memory ?? new LockMemory({ clock }), ['join']);
  const lease: MemoryLease = new MemoryLease({
    member: shared.join(candidate.label, (notice) => lease.hear(notice)),
    who: candidate,
    clock,
    logger,
    drainTimeoutMs: rules.drainTimeoutMs,
  });
  return new LockManager({ ...settled, ...rules, store: memoryStore(lease.member), lease });
}

/** A process, or what stands for one, at a memory. */
export interface Member {
  readonly process: number;
  readonly table: HoldTable;
  /** Has a lease from now on: with the token that its holds hang on. */
  begin(): { readonly token: bigint; readonly since: Date };
  /** The lease is over, and so is everything that hung on it. */
  end(): void;
}

interface Entry {
  readonly label: string;
  readonly hear: (notice: HoldNotice) => void;
  token: bigint | undefined;
}

/** What managers of one process have in common that shall stand in each other's way. */
export class LockMemory {
  readonly #table: HoldTable;
  readonly #now: () => Date;
  readonly #entries = new Map<number, Entry>();
  #processes = 0;

  /** `clock` is what tokens, and how long something is held, are counted on. */
  constructor({ clock = systemClock }: { readonly clock?: Clock | undefined } = {}) {
    methods('clock', clock, ['mono']);
    // Told once, so that tokens grow however the clock on the wall is set, and from run to run.
    const began = { at: new Date(), mono: clock.mono() };
    this.#now = () => new Date(began.at.getTime() + clock.mono() - began.mono);
    this.#table = new HoldTable({
      now: this.#now,
      isAlive: (process, token) => this.#entries.get(process)?.token === token,
      labelOf: (process) => this.#entries.get(process)?.label,
      silenceOf: () => ({ isOverdue: false, isSilent: false }),
      tell: (process, notice) => queueMicrotask(() => this.#entries.get(process)?.hear(notice)),
    });
  }

  /** @internal */
  join(label: string, hear: (notice: HoldNotice) => void): Member {
    this.#processes += 1;
    const process = this.#processes;
    const table = this.#table;
    const entry: Entry = { label, hear, token: undefined };
    return {
      process,
      table,
      begin: () => {
        const token = table.nextToken();
        entry.token = token;
        this.#entries.set(process, entry);
        return { token, since: this.#now() };
      },
      end: () => {
        this.#entries.delete(process);
        if (entry.token !== undefined) table.freeAll(process, entry.token);
      },
    };
  }
}
