import { setTimeout as sleep } from 'node:timers/promises';
import { checkName } from '../core/checks.ts';
import { LockdError } from '../core/errors.ts';
import { refuseUnknown } from '../core/known.ts';
import {
  type Database,
  type DatabaseOptions,
  databaseOptions,
  settleDatabase,
} from './connection.ts';
import { asLockdError } from './failures.ts';
import { type NamesElsewhere, readPictures } from './picture.ts';
import { pictureStatement } from './picture-statement.ts';
import { pin, visitPins } from './pins.ts';
import { Session } from './session.ts';
import { confirmed, type NameStatus, secondLookMs, statusOf } from './status.ts';
import { explained, readOnly, visitTimeoutMs } from './visit.ts';

/** What was seen longer ago says nothing of now. */
const memoryMs = 10_000;

const timersEarlyMs = 5;

/** A database that has just refused is not asked again at once, however many want to know. */
const refusedForMs = 500;

interface Connection {
  readonly session: Session;
  /** Nothing stands between: what is set for the session stays ours. */
  readonly isDirect: boolean;
}

interface Look {
  readonly at: number;
  readonly status: NameStatus;
}

/**
 * Reads what `readStatus` reads, again and again, on one session: one statement each time, or none,
 * where a read that has not begun yet is shared. A fault counts if the look before had it, too; where
 * there was none of the last ten seconds, another one is taken.
 *
 * Connects when it is read, and again after a loss. While the database is away it rejects with a
 * `LockdError`, and may be asked again. Behind a proxy each read is in a transaction of its own.
 */
export class StatusReader implements AsyncDisposable {
  readonly #database: Database;
  readonly #known: NamesElsewhere = new Map();
  readonly #looks = new Map<string, readonly Look[]>();
  readonly #awaited = new Map<string | undefined, Promise<NameStatus[]>>();
  readonly #closing = new AbortController();
  #connection: Promise<Connection> | undefined;
  #line: Promise<unknown> = Promise.resolve();
  #refusal: { readonly at: number; readonly error: LockdError } | undefined;

  /** Throws `LOCKD_INVALID_OPTION` where an option does not fit, and connects to nothing yet. */
  constructor(options: DatabaseOptions = {}) {
    refuseUnknown(options, databaseOptions);
    this.#database = settleDatabase(options);
  }

  /** Every name, or the one; empty where nobody has ever campaigned. */
  async read(name?: string | undefined): Promise<NameStatus[]> {
    if (name !== undefined) checkName(name);
    const awaited = this.#awaited.get(name);
    if (awaited !== undefined) return awaited;
    // One after the other: a timeout begins when it is its own statement that is waited for.
    const read = this.#line.then(() => {
      this.#awaited.delete(name);
      return this.#read(name);
    });
    this.#awaited.set(name, read);
    this.#line = read.catch(() => {});
    return read;
  }

  /** What is being read rejects. May be called twice. */
  async close(): Promise<void> {
    this.#closing.abort(closed());
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.then(
      ({ session }) => session.close(),
      () => {}, // whoever read has been told
    );
    await this.#line;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #read(name: string | undefined): Promise<NameStatus[]> {
    const first = await this.#look(name);
    const isTold = first.every(({ isNew, status }) => !isNew || status.faults.length === 0);
    if (isTold) return first.map(({ status }) => status);
    const { signal } = this.#closing;
    await sleep(secondLookMs + timersEarlyMs, undefined, { signal }).catch(() => {});
    const second = await this.#look(name);
    return second.map(({ isNew, status }) => (isNew ? { ...status, faults: [] } : status));
  }

  async #look(name: string | undefined): Promise<{ isNew: boolean; status: NameStatus }[]> {
    const statuses = await this.#ask(name);
    return statuses.map((status) => this.#compared(status));
  }

  /** With those faults only that an earlier look had, too, if there was one. */
  #compared(status: NameStatus): { isNew: boolean; status: NameStatus } {
    const at = performance.now();
    const recent = (this.#looks.get(status.name) ?? []).filter((look) => at - look.at <= memoryMs);
    const before = recent.find((look) => at - look.at >= secondLookMs);
    // The latest first. One that came too soon to tell anything is not remembered: the next one would
    // have nothing to be compared with.
    const isSoon = recent[0] !== undefined && at - recent[0].at < secondLookMs;
    if (!isSoon) this.#looks.set(status.name, [{ at, status }, ...recent.slice(0, 1)]);
    return before === undefined
      ? { isNew: true, status }
      : { isNew: false, status: confirmed(before.status, status) };
  }

  async #ask(name: string | undefined): Promise<NameStatus[]> {
    const { schema } = this.#database;
    const { session, isDirect } = await this.#connected();
    try {
      const read = (ask: Session['query']) => readPictures(ask, schema, name, this.#known);
      const pictures = isDirect
        ? await explained(session, schema, () => read(planned(session, schema)))
        : await readOnly(session, schema, read);
      return pictures.map(statusOf);
    } catch (error) {
      this.#closing.signal.throwIfAborted();
      // Whatever it was: the next one begins anew, and finds a primary that has moved.
      this.#connection = undefined;
      await session.close();
      throw error;
    }
  }

  async #connected(): Promise<Connection> {
    this.#closing.signal.throwIfAborted();
    const { at, error } = this.#refusal ?? {};
    if (at !== undefined && performance.now() - at < refusedForMs) throw error;
    this.#refusal = undefined;
    this.#connection ??= this.#connect();
    try {
      return await this.#connection;
    } catch (cause) {
      this.#connection = undefined;
      this.#closing.signal.throwIfAborted();
      const refusal = asLockdError(cause);
      this.#refusal = { at: performance.now(), error: refusal };
      throw refusal;
    }
  }

  #connect(): Promise<Connection> {
    const { hosts } = this.#database;
    const connection = Session.prepared<Connection>(
      {
        hosts,
        applicationName: 'lockd:reader',
        timeoutMs: visitTimeoutMs,
        signal: this.#closing.signal,
        lost: () => {
          if (this.#connection === connection) this.#connection = undefined;
        },
      },
      async (session) => {
        const { rows } = await session.bounded('select pg_backend_pid() as backend');
        const isDirect = rows[0].backend === session.announcedBackend;
        if (isDirect) await pin(session, visitPins);
        return { session, isDirect };
      },
    );
    return connection;
  }
}

/** Planned once and kept by the server: that takes longer than answering. */
function planned(session: Session, schema: string): Session['query'] {
  const often = pictureStatement(schema);
  return (text, values) =>
    session.bounded(text, values, text === often ? 'lockd:pictures' : undefined);
}

const closed = (): LockdError =>
  new LockdError('LOCKD_STOPPED', 'This reader of the status is closed.');
