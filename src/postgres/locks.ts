import { LockdError } from '../core/errors.ts';
import type { LockStore } from '../core/locks/store.ts';
import type { Candidate } from '../core/store.ts';
import { checkSchema, checkServer } from './checks.ts';
import { type Database, type DatabaseOptions, settleDatabase } from './connection.ts';
import * as holds from './hold-statements.ts';
import { pin, workPins } from './pins.ts';
import { Session, type SessionSettings } from './session.ts';
import { type Ask, enroll } from './statements.ts';

/** The session that all calls of a process share, and which row of ours its lease is. */
interface Work {
  readonly ask: Ask;
  readonly session: Session;
  readonly number: number;
  /** Known once something is held: who only looks is nobody's process. */
  process: Promise<number> | undefined;
}

/**
 * Holds in a PostgreSQL database, through one session, made when it is first needed and again after it
 * was lost. Its loss costs nothing but time: what keeps holds alive is the lease of the process.
 */
export function postgresLocks(
  options: DatabaseOptions,
  who: Candidate,
  timeoutMs: number,
): LockStore {
  const { hosts, schema } = settleDatabase(options);
  return new PostgresLocks({ hosts, schema }, who, timeoutMs);
}

class PostgresLocks implements LockStore {
  readonly #database: Database;
  readonly #who: Candidate;
  readonly #timeoutMs: number;
  readonly #closing = new AbortController();
  #work: Promise<Work> | undefined;
  #sessions = 0;

  constructor(database: Database, who: Candidate, timeoutMs: number) {
    this.#database = database;
    this.#who = who;
    this.#timeoutMs = timeoutMs;
  }

  take: LockStore['take'] = async (under, wanted) => {
    const work = await this.#open();
    const process = await this.#processOf(work);
    return holds.takeHolds(work.ask, this.#schema, process, under, wanted);
  };

  drop: LockStore['drop'] = async (dropped) => {
    const { ask } = await this.#open();
    return holds.dropHolds(ask, this.#schema, dropped);
  };

  ask: LockStore['ask'] = async (under, wanted, mayQueue) => {
    const work = await this.#open();
    const process = await this.#processOf(work);
    return holds.askHold(work.ask, this.#schema, process, under, wanted, mayQueue);
  };

  leave: LockStore['leave'] = async (resource, request) => {
    const { ask } = await this.#open();
    return holds.leave(ask, this.#schema, resource, request);
  };

  describe: LockStore['describe'] = async (resource, request, details) => {
    const { ask } = await this.#open();
    return holds.describe(ask, this.#schema, resource, request, details);
  };

  beats: LockStore['beats'] = async (resources) => {
    const work = await this.#open();
    const process = await this.#processOf(work);
    return holds.beats(work.ask, this.#schema, work.number, process, resources);
  };

  expire: LockStore['expire'] = async (silent) => {
    const { ask, number } = await this.#open();
    // Seen through another session, perhaps on another server: it proves nothing here.
    return number === silent.session && holds.expire(ask, this.#schema, silent);
  };

  sight: NonNullable<LockStore['sight']> = async (silent, machine, at) => {
    const { ask, number } = await this.#open();
    return number === silent.session && holds.sight(ask, this.#schema, silent, machine, at);
  };

  queues: LockStore['queues'] = async (resources) => {
    const { ask } = await this.#open();
    return holds.queues(ask, this.#schema, resources);
  };

  lines: LockStore['lines'] = async (resources) => {
    const { ask } = await this.#open();
    return holds.lines(ask, this.#schema, resources);
  };

  askBack: LockStore['askBack'] = async (resource, requests, by, reason) => {
    const { ask } = await this.#open();
    return holds.askBack(ask, this.#schema, resource, requests, by, reason);
  };

  takeBack: LockStore['takeBack'] = async (resource, requests, by, reason) => {
    const { ask } = await this.#open();
    return holds.takeBack(ask, this.#schema, resource, requests, by, reason);
  };

  gone: NonNullable<LockStore['gone']> = async (held) => {
    const { ask } = await this.#open();
    return holds.gone(ask, this.#schema, held);
  };

  clearAway: LockStore['clearAway'] = async () => {
    const { ask } = await this.#open();
    return holds.clearAway(ask, this.#schema);
  };

  clearSome: LockStore['clearSome'] = async () => {
    const work = await this.#work;
    if (work !== undefined) await holds.clearSome(work.ask, this.#schema);
  };

  async close(): Promise<void> {
    this.#closing.abort();
    const closed = this.#work;
    this.#work = undefined;
    const work = await closed?.catch(() => undefined);
    await work?.session.close();
  }

  get #schema(): string {
    return this.#database.schema;
  }

  #open(): Promise<Work> {
    this.#work ??= this.#connect().catch((error) => {
      this.#work = undefined;
      throw error;
    });
    return this.#work;
  }

  async #connect(): Promise<Work> {
    if (this.#closing.signal.aborted) {
      throw new LockdError('LOCKD_STOPPED', 'The lock manager was stopped.');
    }
    const { hosts, schema } = this.#database;
    this.#sessions += 1;
    const number = this.#sessions;
    const settings: SessionSettings = {
      hosts,
      applicationName: `lockd:locks:${this.#who.label}`,
      timeoutMs: this.#timeoutMs,
      signal: this.#closing.signal,
      isPipelined: true,
      lost: () => {
        if (this.#sessions === number) this.#work = undefined;
      },
    };
    return Session.prepared(settings, async (session) => {
      await checkServer(session, { ...settings, lost: undefined });
      await checkSchema(session, schema);
      await pin(session, workPins(this.#who));
      const ask: Ask = (text, values, name) => session.bounded(text, values, name);
      return { ask, session, number, process: undefined };
    });
  }

  #processOf(work: Work): Promise<number> {
    work.process ??= this.#becomeWorker(work);
    return work.process;
  }

  async #becomeWorker({ ask, session }: Work): Promise<number> {
    const { schema } = this.#database;
    try {
      const process = await enroll(ask, schema, this.#who.name);
      await holds.succeedWorker(ask, schema, process);
      return process;
    } catch (error) {
      session.destroy();
      this.#work = undefined;
      throw error;
    }
  }
}
