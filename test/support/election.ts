import { expect } from 'vitest';
import {
  type ControllerEvents,
  migrate,
  SingletonLockController,
  type SingletonLockOptions,
} from '../../src/index.ts';
import { createDatabase, query, type TestDatabase } from './database.ts';
import { Host, type HostOptions } from './host.ts';
import { expectNoSessions } from './leaks.ts';
import { Story } from './story.ts';
import { until } from './wait.ts';

export interface Contender {
  readonly controller: SingletonLockController;
  readonly label: string;
  readonly story: Story;
}

export interface Backends {
  readonly seat: number | null;
  readonly control: number | null;
}

export interface LeaseRow {
  readonly token: string;
  readonly beat: string;
  readonly ttl_ms: number;
  readonly label: string | null;
  readonly ended_by: string | null;
  readonly ended_reason: string | null;
}

export interface TermRow {
  readonly token: string;
  readonly label: string;
  readonly ended_by: string | null;
  readonly reason: string | null;
  readonly gap_ms: string | null;
}

type Options = Partial<SingletonLockOptions>;

/**
 * One name in a database of its own. Disposing of it stops every contender and proves that no two
 * gates of this process were ever open at once, and that no session and no lock survived.
 */
export async function holdElection(options: Options = {}, serverUrl?: string): Promise<Election> {
  const database = await createDatabase(serverUrl);
  await migrate({ connectionString: database.url });
  return new Election(database, options);
}

export class Election implements AsyncDisposable {
  readonly url: string;
  readonly name = 'led';
  readonly contenders: Contender[] = [];
  readonly #database: TestDatabase;
  readonly #options: Options;
  readonly #hosts: Host[] = [];
  readonly #overlaps: string[] = [];

  constructor(database: TestDatabase, options: Options) {
    this.#database = database;
    this.#options = options;
    this.url = database.url;
  }

  get database(): string {
    return this.#database.name;
  }

  /** A controller in this process, not yet started. */
  enter(label: string, options: Options = {}): Contender {
    const story = new Story(label);
    const controller = new SingletonLockController({
      ...this.#settings(label),
      logger: story.logger,
      ...options,
    });
    controller.on('active', () => this.#noteOverlap(label));
    story.listenTo(controller);
    const contender = { controller, label, story };
    this.contenders.push(contender);
    return contender;
  }

  /** A controller in this process that leads. */
  async lead(label: string, options: Options = {}): Promise<Contender> {
    const contender = this.enter(label, options);
    await contender.controller.start();
    await contender.story.next('active');
    return contender;
  }

  /** A controller in this process that has had the answer to its first attempt, and stands by. */
  async standBy(label: string, options: Options = {}): Promise<Contender> {
    const contender = this.enter(label, options);
    await contender.controller.start();
    expect(contender.controller.state).toBe('passive');
    return contender;
  }

  /** A controller in a process of its own, started. */
  async host(
    label: string,
    options: HostOptions = {},
    env?: Readonly<Record<string, string>>,
  ): Promise<Host> {
    const host = new Host({ ...this.#settings(label), ...options }, env);
    this.#hosts.push(host);
    await host.next('ready');
    return host;
  }

  #settings(label: string): SingletonLockOptions & HostOptions {
    return {
      name: this.name,
      label,
      connectionString: this.url,
      ttlMs: 1_500,
      reconnectMaxMs: 200,
      ...this.#options,
    };
  }

  lease(): Promise<LeaseRow> {
    return one(
      this.url,
      `select l.token, l.beat, l.ttl_ms, l.label, l.ended_by, l.ended_reason
       from lockd.lease l join lockd.lock k on k.id = l.lock_id where k.name = $1`,
      this.name,
    );
  }

  terms(): Promise<TermRow[]> {
    return query<TermRow & Record<string, unknown>>(
      this.url,
      `select t.token, t.label, t.ended_by, t.reason, t.gap_ms
       from lockd.term t join lockd.lock k on k.id = t.lock_id where k.name = $1 order by t.token`,
      [this.name],
    );
  }

  /** Resolves when the leader has beaten this many times more. */
  async beats(count: number): Promise<void> {
    const before = await this.lease();
    await until(
      async () => {
        const { token, beat } = await this.lease();
        return token === before.token && Number(beat) >= Number(before.beat) + count;
      },
      { describe: `${count} more beats of term ${before.token}` },
    );
  }

  backends(label: string): Promise<Backends> {
    return one(
      this.url,
      `with control as (
         select l.pid from lockd.instance i
         join pg_locks l on l.locktype = 'advisory' and l.classid = 'lockd.instance'::regclass
           and l.objid::int = i.id and l.granted
         where i.label = $1)
       select (select pid from control) as control,
              (select a.pid from pg_stat_activity a
               where a.application_name = $2 and a.datname = current_database()
                 and a.pid is distinct from (select pid from control)
               order by a.backend_start desc limit 1) as seat`,
      label,
      `lockd:${this.name}:${label}`,
    );
  }

  /** Once it has both: the control session comes about beside the campaign, not before it. */
  bothBackends(label: string): Promise<{ readonly seat: number; readonly control: number }> {
    return until(async () => {
      const { seat, control } = await this.backends(label);
      return seat === null || control === null ? undefined : { seat, control };
    });
  }

  /** Who holds the seat, by the server's own account. */
  seatHolders(): Promise<{ pid: number }[]> {
    return this.#seatLocks(true);
  }

  /** Who stands in the server's queue for it. */
  waiters(): Promise<{ pid: number }[]> {
    return this.#seatLocks(false);
  }

  #seatLocks(isGranted: boolean): Promise<{ pid: number }[]> {
    return query(
      this.url,
      `select l.pid from pg_locks l
       where l.locktype = 'advisory' and l.classid = 'lockd.lock'::regclass and l.granted = $1
         and l.database = (select oid from pg_database where datname = current_database())`,
      [isGranted],
    );
  }

  #noteOverlap(label: string): void {
    for (const other of this.contenders) {
      if (other.label === label || !other.controller.isActive()) continue;
      this.#overlaps.push(`${label} opened its gate while that of ${other.label} was open`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.#hosts) await host[Symbol.asyncDispose]();
    await Promise.all(this.contenders.map(({ controller }) => controller.stop({ force: true })));
    await expectNoSessions(this.url);
    await this.#database[Symbol.asyncDispose]();
    expect(this.#overlaps).toEqual([]);
  }
}

async function one<Row>(url: string, sql: string, ...params: unknown[]): Promise<Row> {
  const [row] = await query(url, sql, params);
  return row as Row;
}

/** Ends a backend as an administrator would. */
export async function terminate(url: string, ...pids: number[]): Promise<void> {
  for (const pid of pids) {
    await query(url, 'select pg_terminate_backend($1)', [pid]);
  }
}

type EventName = keyof ControllerEvents;

/** Resolves with the next of these events, as the controller's own listener hears it. */
export function heard(controller: SingletonLockController, ...names: EventName[]): Promise<void> {
  return new Promise((resolve) => {
    const hear = (): void => {
      for (const name of names) controller.off(name, hear);
      resolve();
    };
    for (const name of names) controller.on(name, hear);
  });
}
