import { LockdError } from '../core/errors.ts';
import type { Asker, HoldTable } from '../core/locks/memory-table.ts';
import type { LockStore } from '../core/locks/store.ts';
import type { SeatHooks, SessionOptions } from '../core/store.ts';
import type { ProcessHolds } from './process-holds.ts';
import type { Session } from './session.ts';

export interface WorkParts {
  readonly process: number;
  readonly holds: ProcessHolds;
  readonly timeoutMs: number;
  readonly connect: (options: SessionOptions<SeatHooks>) => Promise<Session>;
}

/** Holds on the server in memory, through one session at a time: as PostgresLocks does it. */
export class WorkSession implements LockStore {
  readonly #parts: WorkParts;
  readonly #closing = new AbortController();
  #session: Promise<Session> | undefined;

  constructor(parts: WorkParts) {
    this.#parts = parts;
  }

  take: LockStore['take'] = (under, wanted) =>
    this.#ask((table) => wanted.map((each) => table.take(this.#asker(under), each)));

  drop: LockStore['drop'] = (dropped) =>
    this.#ask((table) => dropped.map(({ resource, request }) => table.leave(resource, request)));

  ask: LockStore['ask'] = (under, wanted, mayQueue) =>
    this.#ask((table) => table.ask(this.#asker(under), wanted, mayQueue));

  leave: LockStore['leave'] = (resource, request) =>
    this.#ask((table) => table.leave(resource, request));

  describe: LockStore['describe'] = (resource, request, details) =>
    this.#ask((table) => table.describe(resource, request, details));

  beats: LockStore['beats'] = (resources) => {
    const { holds, process } = this.#parts;
    return this.#ask((_table, { backend }) => holds.beats(process, backend, resources));
  };

  expire: LockStore['expire'] = (silent) =>
    this.#ask((_table, { backend }) => {
      // Seen through another session, perhaps on another server: it proves nothing here.
      return backend === silent.session && this.#parts.holds.expire(silent);
    });

  sight: NonNullable<LockStore['sight']> = (silent, machine, at) =>
    this.#ask(
      (_table, { backend }) =>
        backend === silent.session && this.#parts.holds.sight(silent, machine, at),
    );

  queues: LockStore['queues'] = (resources) => this.#ask((table) => table.queues(resources));

  askBack: LockStore['askBack'] = (resource, requests, by, reason) =>
    this.#ask((table) => table.askBack(resource, requests, by, reason));

  takeBack: LockStore['takeBack'] = (resource, requests, by, reason) =>
    this.#ask((table) => table.takeBack(resource, requests, by, reason));

  gone: NonNullable<LockStore['gone']> = (held) =>
    this.#ask((table) => {
      const { holdings } = table.queues(held.map(({ resource }) => resource));
      const there = new Set(holdings.map(({ request }) => request));
      return held.flatMap(({ request }) => (there.has(request) ? [] : [request]));
    });

  async close(): Promise<void> {
    this.#closing.abort();
    const session = await this.#session?.catch(() => undefined);
    session?.destroy();
  }

  #asker(under: bigint): Asker {
    return { process: this.#parts.process, under };
  }

  async #ask<Answer>(work: (table: HoldTable, session: Session) => Answer): Promise<Answer> {
    const { timeoutMs, holds } = this.#parts;
    const session = await this.#open();
    return session.bounded(timeoutMs, () => work(holds.table, session));
  }

  #open(): Promise<Session> {
    this.#session ??= this.#connect().catch((error) => {
      this.#session = undefined;
      throw error;
    });
    return this.#session;
  }

  /** What is still under way on the last one arrives before: both wait for the same line. */
  async #connect(): Promise<Session> {
    const { connect, timeoutMs } = this.#parts;
    const { signal } = this.#closing;
    if (signal.aborted) throw new LockdError('LOCKD_STOPPED', 'The lock manager was stopped.');
    const lost = (): void => {
      this.#session = undefined;
    };
    return connect({ hooks: { lost }, signal, timeoutMs });
  }
}
