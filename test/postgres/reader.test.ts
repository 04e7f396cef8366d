import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Cluster } from '../../src/embedded/cluster.ts';
import {
  migrate,
  type NameStatus,
  readHistory,
  SingletonLockController,
  StatusReader,
} from '../../src/index.ts';
import { startTestCluster } from '../support/cluster.ts';
import { createDatabase, query, type TestDatabase } from '../support/database.ts';
import { type Election, holdElection, terminate } from '../support/election.ts';
import { registered } from '../support/registered.ts';
import { until } from '../support/wait.ts';
import { sharedBackend } from './shared-backend.ts';

const longTtl = { ttlMs: 60_000 } as const;

/** One that counts statements, and that tests may stop. */
let cluster: Cluster | undefined;

beforeAll(async () => {
  cluster = await startTestCluster({
    settings: { shared_preload_libraries: 'pg_stat_statements' },
  });
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

/** Whatever a session that only reads may ask for, and what it may put around it. */
const reading = [
  '%pg_stat_wal_receiver%',
  ...['begin%', 'commit%', 'set %', 'select set_config%', 'select name from%'],
];
const terms = ['%from "lockd".term%'];

test('each read is one statement, and so is the history', async () => {
  await using election = await holdElection(longTtl, cluster?.url());
  await registered(election.lead('first'));
  await registered(election.standBy('second'));
  await using counter = await count(election);
  await using reader = new StatusReader({ connectionString: election.url });
  await reader.read();
  const before = await counter.statements();
  for (let round = 0; round < 20; round += 1) {
    const [status] = await reader.read(round % 2 === 0 ? undefined : election.name);
    expect(status).toMatchObject({ isLed: true, waiting: [{ label: 'second' }], faults: [] });
  }
  expect(await counter.statements()).toBe(before + 20);
  const asked = await counter.statements(terms);
  await readHistory({ connectionString: election.url }, election.name);
  expect(await counter.statements(terms)).toBe(asked + 1);
});

test('a seat in another schema costs a statement once', async () => {
  await using election = await holdElection(longTtl, cluster?.url());
  await migrate({ connectionString: election.url, schema: 'another' });
  await registered(election.lead('here'));
  const { url, name } = election;
  await using there = new SingletonLockController({
    ...longTtl,
    name,
    connectionString: url,
    schema: 'another',
  });
  await there.start();
  await there.whenActive();
  await using reader = new StatusReader({ connectionString: election.url });
  const [status] = await reader.read();
  expect(status?.faults).toMatchObject([{ code: 'two-schemas', about: 'another' }]);
  await using counter = await count(election);
  const before = await counter.statements();
  await reader.read();
  await reader.read();
  expect(await counter.statements()).toBe(before + 2);
});

test('who asks while somebody waits for the same shares the answer: fifty at once are two statements at most', async () => {
  await using election = await holdElection(longTtl, cluster?.url());
  await registered(election.lead('first'));
  await using counter = await count(election);
  await using reader = new StatusReader({ connectionString: election.url });
  await reader.read();
  const before = await counter.statements();
  const answers = await Promise.all(Array.from({ length: 50 }, () => reader.read()));
  expect(answers.every(([status]) => status?.isLed === true)).toBe(true);
  expect((await counter.statements()) - before).toBeLessThanOrEqual(2);
});

test('a fault counts if the look before had it; where there was none, another one is taken', async () => {
  await using election = await left();
  await using stray = await holdSeat(election.url);
  await using fresh = new StatusReader({ connectionString: election.url });
  expect(codes(await fresh.read())).toEqual(['seat-held']);
  await stray[Symbol.asyncDispose]();
  expect(codes(await fresh.read())).toEqual([]);

  // What is new is told by the look after: never at once, also where looks are close to one another.
  await using _again = await holdSeat(election.url);
  expect(codes(await fresh.read())).toEqual([]);
  await until(async () => codes(await fresh.read()).includes('seat-held'));
});

test('a lost session is replaced by the next read', async () => {
  await using election = await holdElection(longTtl);
  await registered(election.lead('first'));
  await using reader = new StatusReader({ connectionString: election.url });
  await reader.read();
  const before = await sessions(election.url);
  await terminate(election.url, ...before);
  const [status] = await until(() => reader.read());
  expect(status?.isLed).toBe(true);
  expect(await sessions(election.url)).not.toEqual(before);
});

test('while the database is away it rejects with an error that may be retried, and answers when it is back', async () => {
  await using database = await migrated(cluster?.url());
  await using reader = new StatusReader({ connectionString: database.url });
  expect(await reader.read()).toEqual([]);
  await cluster?.stop();
  try {
    const refusal = await reader.read().catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: expect.stringMatching(/^LOCKD_/), isRetryable: true });
    // However many ask: it is not asked again at once.
    const again = await until(async () => {
      const error = await reader.read('other').catch((one: unknown) => one);
      return error === (await reader.read().catch((one: unknown) => one)) && error;
    });
    expect(again).toMatchObject({ isRetryable: true });
  } finally {
    await cluster?.start();
  }
  expect(await until(() => reader.read())).toEqual([]);
});

test('through a transaction pooler it answers, and sets nothing for whoever has the backend next', async () => {
  await using election = await left();
  await query(
    election.url,
    `update lockd.lease set ended_at = null, beat_at = clock_timestamp() - interval '2 minutes'`,
  );
  await using pooler = await sharedBackend(election.url);
  const pinned = `select name, setting from pg_settings where source = 'session'
    and name not in ('application_name', 'client_encoding')`;
  const before = await query(pooler.url, pinned);
  await using reader = new StatusReader({ connectionString: pooler.url });
  expect(codes(await reader.read())).toEqual(['leader-silent']);
  expect(codes(await reader.read())).toEqual(['leader-silent']);
  expect(await query(pooler.url, pinned)).toEqual(before);
});

test('closing ends what is being read, at once, and leaves no session', async () => {
  await using election = await left();
  await using blocker = await connect(election.url);
  await blocker.client.query('begin; lock table lockd.lease in access exclusive mode');
  const reader = new StatusReader({ connectionString: election.url });
  const reading = reader.read();
  await until(async () => (await sessions(election.url)).length === 1);
  const rejected = expect(reading).rejects.toMatchObject({ code: 'LOCKD_STOPPED' });
  await reader.close();
  await rejected;
  await reader.close();
  await expect(reader.read()).rejects.toMatchObject({ code: 'LOCKD_STOPPED' });
  await blocker.client.query('rollback');
  await until(async () => (await sessions(election.url)).length === 0);
});

test('what does not fit is refused before anything is connected', async () => {
  const typo = { conectionString: 'postgres://h/x' } as object;
  expect(() => new StatusReader(typo)).toThrow(/conectionString/);
  await using reader = new StatusReader({ connectionString: 'postgres://127.0.0.1:1/x' });
  await expect(reader.read('line\nfeed')).rejects.toMatchObject({ code: 'LOCKD_INVALID_OPTION' });
});

const codes = ([status]: readonly NameStatus[]): string[] =>
  status?.faults.map(({ code }) => code) ?? ['the name is not in the picture'];

const sessions = async (url: string): Promise<number[]> => {
  const rows = await query<{ pid: number }>(
    url,
    `select pid from pg_stat_activity
     where application_name = 'lockd:reader' and datname = current_database()`,
  );
  return rows.map(({ pid }) => pid);
};

async function migrated(serverUrl: string | undefined): Promise<TestDatabase> {
  const database = await createDatabase(serverUrl);
  await migrate({ connectionString: database.url });
  return database;
}

/** An election whose only leader has left for good. */
async function left(): Promise<Election> {
  const election = await holdElection(longTtl);
  const { controller } = await registered(election.lead('gone'));
  await controller.stop();
  return election;
}

interface Counter extends AsyncDisposable {
  /** So many so far that are like one of these. */
  statements(like?: readonly string[]): Promise<number>;
}

/** By the server's own count. */
async function count(election: Election): Promise<Counter> {
  const { client, ...rest } = await connect(election.url);
  await client.query('create extension if not exists pg_stat_statements');
  return {
    ...rest,
    statements: async (like = reading) => {
      const { rows } = await client.query(
        `select coalesce(sum(s.calls), 0)::int as calls from pg_stat_statements s
         where s.dbid = (select oid from pg_database where datname = current_database())
           and s.query ilike any ($1) and s.query not like '%pg_stat_statements%'`,
        [like],
      );
      return rows[0].calls;
    },
  };
}

interface Stray extends AsyncDisposable {
  readonly client: pg.Client;
}

async function holdSeat(url: string): Promise<Stray> {
  const stray = await connect(url);
  await stray.client.query(
    `select pg_advisory_lock(lockd.class_key(lockd.seat_class()), id) from lockd.lock`,
  );
  return stray;
}

async function connect(url: string): Promise<Stray> {
  const client = new pg.Client({ connectionString: url, application_name: 'test' });
  client.on('error', () => {});
  await client.connect();
  let ended: Promise<void> | undefined;
  return {
    client,
    [Symbol.asyncDispose]: () => {
      ended ??= client.end();
      return ended;
    },
  };
}
