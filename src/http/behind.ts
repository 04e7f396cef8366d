/** What is asked of the database behind the controller, on behalf of whoever asks over HTTP. */
import type { Holding, Waiting } from '../core/locks/store.ts';
import { defaults } from '../core/options.ts';
import type { DatabaseOptions } from '../postgres/connection.ts';
import { type Handoff, handOff } from '../postgres/handoff.ts';
import { readHistory, type TermRecord } from '../postgres/history.ts';
import { LocksReader } from '../postgres/locks-reader.ts';
import { StatusReader } from '../postgres/reader.ts';
import { type Resignation, resignLeader } from '../postgres/resign.ts';
import type { NameStatus } from '../postgres/status.ts';

export interface Locks {
  readonly holdings: readonly Holding[];
  readonly waitings: readonly Waiting[];
  /** How many there are: of each the first 200 are told. */
  readonly held: number;
  readonly waited: number;
}

const mostLocks = 200;

export class Behind implements AsyncDisposable {
  readonly #options: DatabaseOptions;
  readonly #reader: StatusReader;
  readonly #locks: LocksReader;
  readonly #closing = new AbortController();

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#reader = new StatusReader(options);
    this.#locks = new LocksReader(options);
  }

  status(name?: string | undefined): Promise<readonly NameStatus[]> {
    return this.#reader.read(name);
  }

  history(name: string, sinceMs: number): Promise<readonly TermRecord[]> {
    return readHistory(this.#options, name, { sinceMs, limit: 1_000 });
  }

  async locks(): Promise<Locks> {
    const { holdings, waitings } = await this.#locks.read();
    return {
      holdings: holdings.slice(0, mostLocks),
      waitings: waitings.slice(0, mostLocks),
      held: holdings.length,
      waited: waitings.length,
    };
  }

  resign(name: string, isWaiting: boolean): Promise<Resignation> {
    const timeoutMs = (ttlMs: number): number => defaults.drainTimeoutMs + ttlMs;
    const { signal } = this.#closing;
    return resignLeader(this.#options, name, isWaiting ? { timeoutMs, signal } : { signal });
  }

  handOff(
    name: string,
    { to, by, isWaiting }: { to: string | undefined; by: string; isWaiting: boolean },
  ): Promise<Handoff> {
    const { signal } = this.#closing;
    return handOff(this.#options, name, { to, by, isWaiting, signal });
  }

  async close(): Promise<void> {
    this.#closing.abort(); // who waits for what was asked over there waits no more
    await Promise.all([this.#reader.close(), this.#locks.close()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
