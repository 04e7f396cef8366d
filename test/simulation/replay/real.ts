import pg from 'pg';
import type { Lease } from '../../../src/core/machine/lease.ts';
import type { Notice } from '../../../src/core/store.ts';
import { noticeOf } from '../../../src/postgres/control.ts';
import { hostsOf } from '../../../src/postgres/hosts.ts';
import { Session } from '../../../src/postgres/session.ts';
import * as statements from '../../../src/postgres/statements.ts';
import { until } from '../../support/wait.ts';
import { candidate } from './simulated.ts';
import { type Call, campaigners, type Side, writers } from './trace.ts';

const schema = 'lockd';

/** Sessions on a real server: the statements that lockd sends, and their answers as it reads them. */
export class RealSide implements Side {
  readonly #url: string;
  readonly #name: string;
  readonly #sessions: { session: Session; pid: number }[] = [];
  #observer: Session | undefined;
  #seat = 0;
  readonly notices: Notice[] = [];

  constructor(url: string, name: string) {
    this.#url = url;
    this.#name = name;
  }

  async open(): Promise<this> {
    const observer = await this.#connect((payload) => this.notices.push(noticeOf(payload)));
    this.#observer = observer.session;
    this.#seat = await statements.enroll(asking(observer.session), schema, this.#name);
    const { rows } = await observer.session.query('select lockd.channel($1) as channel', [
      this.#seat,
    ]);
    await observer.session.query(`listen ${pg.escapeIdentifier(rows[0].channel)}`);
    for (let session = 0; session < campaigners + writers; session += 1) {
      this.#sessions.push(await this.#connect());
    }
    return this;
  }

  async ask(session: number, call: Call): Promise<unknown> {
    const { session: client, pid } = this.#at(session);
    const seat = this.#seat;
    const who = candidate(session);
    const ask = asking(client);
    switch (call.do) {
      case 'attempt':
        return statements.attempt(ask, schema, seat, pid, who, {
          waitMs: call.waitMs,
          yieldedMs: 0,
        });
      case 'read':
        return statements.readLease(ask, schema, seat);
      case 'takeover':
        return statements.takeover(ask, schema, seat, pid, call.bid, who);
      case 'beat':
        return statements.beat(ask, schema, seat, pid, call.token);
      case 'release':
        return statements.release(ask, schema, seat, call.token, 'because');
      case 'confession':
      case 'testimony':
        return statements.testify(ask, schema, seat, call.token, call.do, 'because');
      case 'fence':
        await client.query('begin');
        try {
          return await statements.fence(ask, schema, { name: this.#name, token: call.token });
        } catch (error) {
          await client.query('rollback');
          throw error;
        }
      case 'commit':
        return client.query('commit');
    }
  }

  async kill(session: number): Promise<void> {
    const { session: client, pid } = this.#at(session);
    client.destroy();
    // A backend that waits in a queue does not look at its socket: it is ended instead.
    await this.#query('select pg_terminate_backend($1)', [pid]);
    await until(
      async () => {
        const gone = 'select not exists (select from pg_stat_activity where pid = $1) as gone';
        return (await this.#query(gone, [pid]))[0]?.['gone'];
      },
      { describe: `backend ${pid} is gone` },
    );
    this.#sessions[session] = await this.#connect();
  }

  async settle(waiting: number): Promise<void> {
    const pids = this.#sessions.map(({ pid }) => pid);
    await until(
      async () => {
        const [row] = await this.#query(
          'select count(*)::int as waiting from pg_locks where pid = any($1) and not granted',
          [pids],
        );
        return row?.['waiting'] === waiting;
      },
      { timeoutMs: 5_000, describe: `${waiting} calls wait for a lock, as in the simulation` },
    );
    // What was notified before this answer has arrived before it.
    await this.#query('select 1', []);
  }

  async lease(): Promise<Lease> {
    return statements.readLease(asking(this.#observer as Session), schema, this.#seat);
  }

  sessionOf(pid: number): number {
    return this.#sessions.findIndex((session) => session.pid === pid);
  }

  close(): void {
    for (const { session } of this.#sessions) session.destroy();
    this.#observer?.destroy();
  }

  #at(session: number): { session: Session; pid: number } {
    return this.#sessions[session] as { session: Session; pid: number };
  }

  async #query(text: string, values: readonly unknown[]): Promise<Record<string, unknown>[]> {
    return (await (this.#observer as Session).query(text, values)).rows;
  }

  async #connect(heard: (payload: string) => void = () => {}) {
    const session = await Session.open({
      hosts: hostsOf({ connectionString: this.#url }),
      applicationName: 'replay',
      timeoutMs: 10_000,
      notified: (_channel, payload) => heard(payload),
    });
    const { rows } = await session.query('select pg_backend_pid() as pid');
    return { session, pid: rows[0].pid as number };
  }
}

const asking =
  (session: Session): Session['query'] =>
  (text, values) =>
    session.query(text, values);
