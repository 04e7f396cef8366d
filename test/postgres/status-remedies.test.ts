/** What the status says is to be run, run. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cluster } from '../../src/embedded/cluster.ts';
import { type Fault, type FaultCode, type NameStatus, readStatus } from '../../src/index.ts';
import * as remedies from '../../src/postgres/remedies.ts';
import { startTestCluster } from '../support/cluster.ts';
import { query } from '../support/database.ts';
import { type Election, holdElection } from '../support/election.ts';
import { registered } from '../support/registered.ts';
import { until } from '../support/wait.ts';

const longTtl = { ttlMs: 60_000 } as const;

/** 17 connections are granted to others than superusers. */
const settings = {
  max_connections: '20',
  superuser_reserved_connections: '3',
  max_prepared_transactions: '2',
};
let cluster: Cluster | undefined;

beforeAll(async () => {
  cluster = await startTestCluster({ settings });
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

test('a session on the seat of a name that nobody leads: ending it frees the seat', async () => {
  await using election = await left();
  await using stray = await holdSeat(election, 'psql');
  const fault = await found(election, 'seat-held');
  expect(fault.remedy).toBe(
    `psql "$DATABASE_URL" -c 'select pg_terminate_backend(${stray.backend})'`,
  );
  await run(election, fault);
  await expect.poll(() => election.seatHolders()).toEqual([]);
  expect((await picture(election)).faults).toEqual([]);
});

test('a silent session is told with host, pid and since when it idles: ending it frees the seat for the next one', async () => {
  await using election = await left();
  await using own = await holdSeat(election, `lockd:${election.name}:gone`);
  await remember(election, { host: 'box', pid: 42 });
  await lease(election, silentFor('90 seconds'));
  const fault = await found(election, 'leader-silent');
  expect(fault.message).toMatch(/^No beat of gone \(box, pid 42\) for 90\.\d s/);
  expect(fault.message).toMatch(
    new RegExp(`session ${own.backend} \\(lockd:led:gone, .*idle for \\d+\\.\\d s\\)`),
  );
  await run(election, fault);
  expect(await election.seatHolders()).toEqual([]);
  expect((await found(election, 'leader-silent')).remedy).toBe('lockd run led -- COMMAND');
});

test('a frozen leader: its process is woken, and a host’s name can add nothing to the command', async () => {
  await using election = await left();
  await using _own = await holdSeat(election, `lockd:${election.name}:gone`);
  await remember(election, { host: 'box', pid: 42 });
  await lease(election, silentFor('30 seconds'));
  const fault = await found(election, 'beat-overdue');
  expect(fault.message).toMatch(/The last beat of gone \(box, pid 42\) is 3\d\.\d s old/);
  expect(fault.remedy).toBe('kill -CONT 42 # on box');
  await query(election.url, `update lockd.instance set host = E'box\\ntouch /tmp/owned'`);
  expect((await found(election, 'beat-overdue')).remedy).toBe('kill -CONT 42');
});

test('a lease without a seat: start an instance where nobody waits, else see who waits take over', async () => {
  await using election = await left();
  await lease(election, 'ended_at = null, beat_at = clock_timestamp()');
  const alone = await found(election, 'seat-free');
  expect(alone.message).toContain('Nobody waits for it: start an instance.');
  expect(alone.remedy).toBe('lockd run led -- COMMAND');
  const observer = election.enter('observer', { eligible: false });
  await observer.controller.start();
  await registered(Promise.resolve(observer));
  expect((await found(election, 'seat-free')).remedy).toBe('lockd run led -- COMMAND');
  await registered(election.standBy('next'));
  expect((await found(election, 'seat-inherited')).remedy).toBe('lockd watch led');
});

test('a fenced transaction that holds a takeover up is told with its statement and age: ended, the takeover goes on', async () => {
  await using election = await left();
  await using fenced = await connect(election.url, 'billing');
  const odd = `select 'x\u001b[2J\u202e' /* ${'long '.repeat(100)} */, 1`;
  await fenced.client.query(`begin; select pg_advisory_xact_lock_shared(${fence})`);
  await fenced.client.query(odd);
  await using heir = await connect(election.url, 'heir');
  const waiting = heir.client.query(`select pg_advisory_lock(${fence})`);
  const fault = await until(() => found(election, 'fence-blocked'));
  expect(fault.message).toMatch(
    /one begun \d+\.\d s ago in session \d+ \(billing, .*idle in transaction for .*\), last statement "select 'x\\u\{1b\}\[2J\\u\{202e\}' \/\* long long .*…"/,
  );
  expect(fault.message.length).toBeLessThan(500);
  expect(fault.remedy).toMatch(/^psql "\$DATABASE_URL" -c 'select lockd\.end_blockers\(\d+\)'$/);
  await run(election, fault);
  await waiting;
});

test('a prepared transaction that holds a takeover up is told by its name, and rolled back by it', async () => {
  await using election = await left(cluster?.url());
  await using fenced = await connect(election.url, 'billing');
  await fenced.client.query(`begin; select pg_advisory_xact_lock_shared(${fence})`);
  await fenced.client.query(`prepare transaction 'bill''s'`);
  await using heir = await connect(election.url, 'heir');
  const waiting = heir.client.query(`select pg_advisory_lock(${fence})`);
  const fault = await until(() => found(election, 'fence-blocked'));
  expect(fault.message).toContain(`the prepared transaction "bill's"`);
  await run(election, fault);
  await waiting;
});

describe('a limit of connections', () => {
  test.each([
    ['role', (name: string) => `alter role ${name} connection limit 5`],
    ['database', (name: string) => `alter database ${name} connection limit 7`],
  ])('of a %s is told when nine tenths are taken, and can be raised', async (of, limit) => {
    await using election = await left();
    const role = `role_${election.database}`;
    await query(election.url, `create role ${role} login password 'is'`);
    try {
      await query(election.url, `grant connect on database ${election.database} to ${role}`);
      await query(election.url, limit(of === 'role' ? role : election.database));
      const url = new URL(election.url);
      url.username = role;
      url.password = 'is';
      await using _four = await connections(url.href, 4);
      expect((await picture(election)).faults).toEqual([]);
      await using _two = await connections(
        of === 'role' ? url.href : election.url,
        of === 'role' ? 1 : 2,
      );
      const fault = await found(election, 'connection-limit');
      const name = of === 'role' ? role : election.database;
      expect(fault.message).toMatch(new RegExp(`^[57] of the [57] connections of ${of} "${name}"`));
      expect(fault.remedy).toBe(
        `psql "$DATABASE_URL" -c 'alter ${of} "${name}" connection limit 20'`,
      );
      await run(election, fault);
      expect((await picture(election)).faults).toEqual([]);
    } finally {
      await query(election.url, `drop owned by ${role}; drop role ${role}`);
    }
  });

  test('of the server is told without those that are kept for administrators', async () => {
    await using election = await left(cluster?.url());
    await using _some = await connections(election.url, 13);
    expect((await picture(election)).faults).toEqual([]);
    await using _more = await connections(election.url, 2);
    const fault = await found(election, 'connection-limit');
    expect(fault.message).toMatch(/^1[67] of the 17 connections of the server are taken/);
    expect(fault.remedy).toBe(
      `psql "$DATABASE_URL" -c 'alter system set max_connections = 34' # and restart the server`,
    );
  });
});

test.each([
  [2_500, /the clock of \S+ was 2\.5 s ahead of the server's.*No decision depends on it/],
  [-61_000, /was 61\.0 s behind the server's/],
])(
  'a clock that is %i ms from the server’s is told, and less than a second is not',
  async (offsetMs, says) => {
    await using election = await holdElection(longTtl);
    await registered(election.lead('first'));
    await registered(election.standBy('second'));
    expect((await picture(election)).waiting[0]?.clockOffsetMs).toEqual(expect.any(Number));
    const shift = (ms: number) =>
      query(
        election.url,
        `update lockd.instance set clock_offset_ms = ${ms} where label = 'second'`,
      );
    await shift(Math.sign(offsetMs) * 990);
    expect((await picture(election)).faults).toEqual([]);
    await shift(offsetMs);
    const fault = await found(election, 'clock-drift');
    expect(fault.message).toMatch(says);
    expect(fault.remedy).toMatch(/^timedatectl set-ntp true # on \S+$/);
  },
);

test('a command names what it is about in one word, whatever the shell makes of its letters', async () => {
  for (const name of ['bot', "it's", '$(x) `x` "y"', '-n', '; x', 'töpfer 🏺', '*', 'a\\b']) {
    const led = { name, schema: 'lockd' };
    const dashes = name.startsWith('-') ? ['--'] : [];
    expect(await words(remedies.watch(led))).toEqual(['watch', ...dashes, name]);
    expect(await words(remedies.statusIn(led, `o'ther; x`))).toEqual([
      ...['status', '--schema', `o'ther; x`],
      ...[...dashes, name],
    ]);
    const roll = `rollback prepared ${pg.escapeLiteral(name)}`;
    expect((await words(remedies.rollBack(name))).at(-1)).toBe(roll);
  }
});

/** What a shell makes of a command of `lockd` or `psql`. */
async function words(command: string): Promise<string[]> {
  const print = `lockd() { printf '%s\\n' "$@"; }; psql() { printf '%s\\n' "$@"; }; ${command}`;
  const { stdout } = await promisify(execFile)('sh', ['-c', print]);
  return stdout.trimEnd().split('\n');
}

/** As its owner would, with `psql`, which is not everywhere. */
async function run({ url }: Election, { remedy = '' }: Fault): Promise<void> {
  const [flag, sql = ''] = (await words(remedy)).slice(-2);
  expect(flag).toBe('-c');
  await query(url, sql);
}

/** An election whose only leader has left for good, so that a test can paint its own picture. */
async function left(serverUrl?: string): Promise<Election> {
  const election = await holdElection(longTtl, serverUrl);
  const { controller } = await registered(election.lead('gone'));
  await controller.stop();
  return election;
}

async function picture(election: Election): Promise<NameStatus> {
  const [status] = await readStatus({ connectionString: election.url }, election.name);
  if (status === undefined) throw new Error('The name is not in the picture.');
  return status;
}

async function found(election: Election, wanted: FaultCode): Promise<Fault> {
  const { faults } = await picture(election);
  const fault = faults.find(({ code }) => code === wanted);
  if (fault === undefined) throw new Error(`There is ${JSON.stringify(faults)}`);
  return fault;
}

const lease = (election: Election, change: string): Promise<unknown> =>
  query(election.url, `update lockd.lease set ${change}`);

const silentFor = (time: string): string =>
  `ended_at = null, acquired_at = clock_timestamp(), beat_at = clock_timestamp() - interval '${time}'`;

const fence = `lockd.class_key(lockd.fence_class()), (select id from lockd.lock)`;

/** As if the leader of the lease had just lost its control session. */
const remember = (election: Election, { host, pid }: { host: string; pid: number }) =>
  query(
    election.url,
    `insert into lockd.instance (instance, lock_id, label, host, pid, version)
     select instance, lock_id, label, '${host}', ${pid}, '0' from lockd.lease`,
  );

interface Stray extends AsyncDisposable {
  readonly client: pg.Client;
  readonly backend: number;
}

async function holdSeat(election: Election, applicationName: string): Promise<Stray> {
  const stray = await connect(election.url, applicationName);
  await stray.client.query(
    `select pg_advisory_lock(lockd.class_key(lockd.seat_class()), id) from lockd.lock`,
  );
  return stray;
}

async function connect(url: string, applicationName: string): Promise<Stray> {
  const client = new pg.Client({ connectionString: url, application_name: applicationName });
  client.on('error', () => {}); // some are ended
  await client.connect();
  const { rows } = await client.query('select pg_backend_pid() as backend');
  return { client, backend: rows[0].backend, [Symbol.asyncDispose]: () => client.end() };
}

async function connections(url: string, count: number): Promise<AsyncDisposable> {
  const all = await Promise.all(Array.from({ length: count }, () => connect(url, 'crowd')));
  return {
    [Symbol.asyncDispose]: async () => {
      await Promise.all(all.map((one) => one[Symbol.asyncDispose]()));
    },
  };
}
