import type { Candidate } from '../../core/store.ts';
import type { Database, DatabaseOptions } from '../connection.ts';
import { type Answer, Session, type SessionSettings } from '../session.ts';

export interface Patient extends Database {
  readonly options: DatabaseOptions;
  /** As an instance would campaign with these settings. */
  readonly candidate: Candidate;
  readonly instances: number;
  /** Whose status is asked for, too. */
  readonly name: string | undefined;
  readonly timeoutMs: number;
}

/** Whoever looks may be a superuser, in a database of strangers: nothing of theirs is to be run. */
export const path = 'set local search_path = pg_catalog, pg_temp';

/** One session for all the checks, made anew where one of them has cost it. Nothing that is set stays. */
export class Visit implements AsyncDisposable {
  readonly patient: Patient;
  readonly settings: SessionSettings;
  #session: Promise<Session> | undefined;
  /** It could not be made anew: there is nobody to ask any more. */
  isOver = false;

  constructor(patient: Patient) {
    this.patient = patient;
    const { hosts, timeoutMs } = patient;
    this.settings = { hosts, applicationName: 'lockd:doctor', timeoutMs };
  }

  session(): Promise<Session> {
    const lost = (): void => {
      this.#session = undefined;
    };
    this.#session ??= Session.open({ ...this.settings, lost }).catch((error) => {
      this.isOver = true;
      throw error;
    });
    return this.#session;
  }

  /** One question that changes nothing. */
  ask(text: string, values: readonly unknown[] = []): Promise<Answer> {
    return this.undone((session) => session.bounded(text, values));
  }

  /** In a transaction that is rolled back: a pooler would hand on to others what a session has set. */
  async undone<Told>(work: (session: Session) => Promise<Told>): Promise<Told> {
    const session = await this.session();
    try {
      await session.bounded(`begin; ${path}`);
      return await work(session);
    } finally {
      // A pooler that allows no transaction ends the session: by then it is known to be lost.
      await session.bounded('rollback').catch(() => {});
    }
  }

  /** On a connection of its own. */
  async aside<Told>(work: (session: Session) => Promise<Told>): Promise<Told> {
    const session = await Session.open(this.settings);
    try {
      return await work(session);
    } finally {
      await session.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const session = await this.#session?.catch(() => undefined);
    await session?.close();
  }
}
