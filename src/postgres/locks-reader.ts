import type { Queues } from '../core/locks/store.ts';
import { type Database, type DatabaseOptions, settleDatabase } from './connection.ts';
import { look } from './read-locks.ts';
import { Session } from './session.ts';
import { visitTimeoutMs } from './visit.ts';

/**
 * Reads what `readLocks` reads, again and again, on one session; a read that is under way is shared.
 * Connects when it is read, and again after a loss. While the database is away it rejects with a
 * `LockdError`, and may be asked again.
 */
export class LocksReader implements AsyncDisposable {
  readonly #database: Database;
  readonly #closing = new AbortController();
  #session: Promise<Session> | undefined;
  #read: Promise<Queues> | undefined;

  constructor(options: DatabaseOptions) {
    this.#database = settleDatabase(options);
  }

  read(): Promise<Queues> {
    this.#read ??= this.#look().finally(() => {
      this.#read = undefined;
    });
    return this.#read;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const session = await this.#session?.catch(() => {});
    await session?.close();
    await this.#read?.catch(() => {}); // whoever read has been told
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #look(): Promise<Queues> {
    const { hosts, schema } = this.#database;
    this.#session ??= Session.open({
      hosts,
      applicationName: 'lockd:reader',
      timeoutMs: visitTimeoutMs,
      signal: this.#closing.signal,
    });
    try {
      return await look(await this.#session, schema);
    } catch (error) {
      // Whatever it was: the next one begins anew, and finds a primary that has moved.
      const failed = this.#session;
      this.#session = undefined;
      await failed.then(
        (session) => session.close(),
        () => {}, // it never began
      );
      throw error;
    }
  }
}
