import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { migrate } from '../../src/postgres/migrate.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

type Row = Record<string, unknown>;

/** A raw session, as the server sees one. */
export class Backend {
  readonly client: pg.Client;
  readonly notifications: { channel: string; payload: Record<string, unknown> }[] = [];
  readonly warnings: string[] = [];
  #pid: Promise<number> | undefined;

  constructor(client: pg.Client) {
    this.client = client;
    client.on('error', () => {}); // a backend that a test ends
    client.on('notice', ({ message }) => this.warnings.push(message ?? ''));
    client.on('notification', ({ channel, payload }) => {
      this.notifications.push({ channel, payload: JSON.parse(payload ?? 'null') });
    });
  }

  get pid(): Promise<number> {
    this.#pid ??= this.one('select pg_backend_pid() as pid').then(({ pid }) => pid as number);
    return this.#pid;
  }

  async query(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.client.query<Row>(sql, [...values])).rows;
  }

  async one(sql: string, values: readonly unknown[] = []): Promise<Row> {
    const rows = await this.query(sql, values);
    if (rows.length !== 1) throw new Error(`${rows.length} rows from ${sql}`);
    return rows[0] as Row;
  }

  async attempt(seat: number, waitMs = 50): Promise<string> {
    const sql = 'select status from lockd.attempt($1, $2, 60000, gen_random_uuid(), array[0], 0)';
    return (await this.one(sql, [seat, waitMs]))['status'] as string;
  }

  async beat(seat: number, token: bigint): Promise<number | undefined> {
    const sql = 'select lockd.beat($1, $2, $3) as beat';
    const { beat } = await this.one(sql, [seat, token, await this.pid]);
    return beat === null ? undefined : Number(beat);
  }

  async lease(seat: number): Promise<Row> {
    return this.one('select * from lockd.lease where lock_id = $1', [seat]);
  }

  /** From the row as it is, unless the bid says otherwise. */
  async takeover(seat: number, bid: Bid = {}): Promise<Taken> {
    const row = await this.lease(seat);
    const { token = row['token'], beat = row['beat'], ended = row['ended_at'] !== null } = bid;
    const { highest = 0n, who = randomUUID(), label = 'me', ttlMs = 10_000, waitMs = 100 } = bid;
    const backend = bid.backend ?? (await this.pid);
    const answer = await this.one(
      'select * from lockd.takeover($1, $2, $3, $4, $5, $6, $7, $8, $9, 2000, $10)',
      [seat, backend, token, beat, ended, highest, who, label, ttlMs, waitMs],
    );
    const { status, token: taken, blockers } = answer;
    return {
      status: status as string,
      token: taken === null ? undefined : BigInt(taken as string),
      blockers: blockers as number[] | null,
    };
  }

  /** The seat and a term on it; its token. */
  async lead(seat: number, bid: Bid = {}): Promise<bigint> {
    const status = await this.attempt(seat, 5_000);
    const taken = await this.takeover(seat, bid);
    if (taken.token === undefined) throw new Error(`${status}, ${taken.status}`);
    return taken.token;
  }

  async release(seat: number, token: bigint, why = 'stopped'): Promise<boolean> {
    const sql = 'call lockd.release($1, $2, $3, null)';
    return (await this.one(sql, [seat, token, why]))['is_marked'] as boolean;
  }

  async testify(seat: number, token: bigint, by = 'confession'): Promise<boolean> {
    const sql = "select lockd.testify($1, $2, $3, 'lost') as is_over";
    return (await this.one(sql, [seat, token, by]))['is_over'] as boolean;
  }

  async listen(seat: number): Promise<void> {
    const { channel } = await this.one('select lockd.channel($1) as channel', [seat]);
    await this.query(`listen ${pg.escapeIdentifier(channel as string)}`);
  }

  async holdsSeat(seat: number): Promise<boolean> {
    return (await this.one('select lockd.holds_seat($1) as held', [seat]))['held'] as boolean;
  }

  async end(): Promise<void> {
    await this.client.end();
  }
}

export interface Bid {
  readonly token?: bigint;
  readonly beat?: number;
  readonly ended?: boolean;
  readonly highest?: bigint;
  readonly who?: string;
  readonly label?: string;
  readonly ttlMs?: number;
  readonly waitMs?: number;
  readonly backend?: number;
}

export interface Taken {
  readonly status: string;
  readonly token: bigint | undefined;
  readonly blockers: number[] | null;
}

/** A migrated database for one file; a name of its own for each test; sessions that end with it. */
export function useDatabase() {
  let database: TestDatabase | undefined;
  let names = 0;
  const open: Backend[] = [];
  beforeAll(async () => {
    database = await createDatabase();
    await migrate({ connectionString: database.url });
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((backend) => backend.end()));
  });
  afterAll(() => database?.[Symbol.asyncDispose]());
  const url = (): string => (database as TestDatabase).url;
  const connect = async (): Promise<Backend> => {
    const client = new pg.Client({ connectionString: url(), query_timeout: 20_000 });
    const backend = new Backend(client);
    await client.connect();
    open.push(backend);
    return backend;
  };
  return {
    get url() {
      return url();
    },
    connect,
    /** Some sessions and a name that nobody led before. */
    async setup(sessions: number) {
      names += 1;
      const name = `name ${names}`;
      const backends = await Promise.all(Array.from({ length: sessions }, connect));
      const [first] = backends as [Backend];
      const { seat } = await first.one('select lockd.enroll($1) as seat', [name]);
      return { name, seat: seat as number, backends: backends as [Backend, Backend, Backend] };
    },
  };
}
