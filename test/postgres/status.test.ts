import pg from 'pg';
import { expect, test } from 'vitest';
import { migrate, type NameStatus, readStatus, SingletonLockController } from '../../src/index.ts';
import { startTestCluster } from '../support/cluster.ts';
import { createDatabase, query } from '../support/database.ts';
import { type Election, holdElection } from '../support/election.ts';
import { registered } from '../support/registered.ts';
import { sharedBackend } from './shared-backend.ts';

const longTtl = { ttlMs: 60_000 } as const;

test('a name that nobody ever campaigned for is not in the picture', async () => {
  await using election = await holdElection();
  expect(await readStatus({ connectionString: election.url })).toEqual([]);
  expect(await readStatus({ connectionString: election.url }, 'unheard-of')).toEqual([]);
});

test('the picture names the leader, who waits and since when, and finds nothing wrong', async () => {
  await using election = await holdElection(longTtl);
  const { controller } = await registered(election.lead('first'));
  await registered(election.standBy('second'));
  await registered(election.standBy('third'));
  const status = await picture(election);
  expect(status).toMatchObject({
    name: election.name,
    isLed: true,
    leader: {
      state: 'leading',
      token: controller.term?.token,
      instance: controller.instance,
      label: 'first',
      pid: process.pid,
      ttlMs: 60_000,
      endedAt: undefined,
    },
    seat: { applicationName: `lockd:${election.name}:first` },
    waiting: [{ label: 'second' }, { label: 'third' }],
    faults: [],
  });
  expect(status.leader?.lapsesAt.getTime()).toBeGreaterThan(status.readAt.getTime());
  expect(status.waiting[0]?.since).toBeInstanceOf(Date);
});

test('a term that ended says when, by whom and why, and its leader counts as waiting', async () => {
  await using election = await holdElection(longTtl);
  const { controller } = await registered(election.lead('only'));
  await controller.resign();
  expect(await picture(election)).toMatchObject({
    isLed: false,
    isInUse: true,
    leader: { state: 'ended', endedBy: 'release', endedReason: 'resigned' },
    waiting: [{ label: 'only' }],
    faults: [],
  });
});

test('handovers in progress are never mistaken for faults', async () => {
  await using election = await holdElection({ ...longTtl, firstWaitMs: 5 });
  const contenders = [
    await registered(election.lead('a')),
    await registered(election.standBy('b')),
  ];
  let isOver = false;
  const looking = (async () => {
    while (!isOver) expect((await picture(election)).faults).toEqual([]);
  })();
  for (let round = 0; round < 50; round += 1) {
    // Whoever has just resigned pauses, so the same one may lead again.
    await Promise.race(contenders.map(({ controller }) => controller.whenActive()));
    await contenders.find(({ controller }) => controller.isActive())?.controller.resign();
  }
  isOver = true;
  await looking;
});

test('a live lease without a session on the seat is a fault that says when it lapses', async () => {
  await using election = await left(longTtl);
  await lease(election, 'ended_at = null, beat_at = clock_timestamp()');
  const status = await picture(election);
  expect(status).toMatchObject({ isLed: true, leader: { state: 'leading' }, seat: undefined });
  expect(codes(status)).toEqual(['seat-free', 'leader-unregistered']);
  expect(status.faults[0]?.message).toContain(status.leader?.lapsesAt.toISOString());
});

test('a leader without a beat for longer than its TTL is silent, and nobody leads', async () => {
  await using election = await left(longTtl);
  await lease(election, `ended_at = null, beat_at = clock_timestamp() - interval '90 seconds'`);
  const status = await picture(election);
  expect(status).toMatchObject({ isLed: false, leader: { state: 'silent' } });
  expect(codes(status)).toEqual(['leader-silent']);
  expect(status.faults[0]?.message).toMatch(/No beat of gone for 90\.\d s.* start an instance/);
});

test('a session that holds the seat while nobody leads is named, with how to free the seat', async () => {
  await using election = await left(longTtl);
  await using stray = await holdSeat(election, 'psql');
  const status = await picture(election);
  expect(codes(status)).toEqual(['seat-held']);
  expect(status.faults[0]?.message).toContain('psql');
  expect(status.faults[0]?.message).toContain(`session ${stray.backend}`);
});

test('a seat that passed on while the lease lives on is told as a wait, with its end', async () => {
  await using election = await left(longTtl);
  await lease(election, 'ended_at = null, beat_at = clock_timestamp()');
  await using _heir = await holdSeat(election, `lockd:${election.name}:heir`);
  const status = await picture(election);
  expect(codes(status)).toEqual(['seat-inherited', 'leader-unregistered']);
  expect(status.faults[0]?.message).toContain(':heir');
});

test('a beat that is overdue is a fault long before the lease lapses', async () => {
  await using election = await left(longTtl);
  await using _own = await holdSeat(election, `lockd:${election.name}:gone`);
  await lease(
    election,
    `ended_at = null, acquired_at = clock_timestamp(),
     beat_at = clock_timestamp() - interval '30 seconds'`,
  );
  const status = await picture(election);
  expect(status.isLed).toBe(true);
  expect(codes(status)).toEqual(['beat-overdue', 'leader-unregistered']);
});

test('an instance that left without signing off is named', async () => {
  await using election = await left(longTtl);
  await query(
    election.url,
    `insert into lockd.instance (instance, lock_id, label, host, pid, version)
     select gen_random_uuid(), id, 'crashed', 'box', 42, '0' from lockd.lock`,
  );
  const status = await picture(election);
  expect(status.waiting).toEqual([]);
  expect(codes(status)).toEqual(['instance-gone']);
  expect(status.faults[0]?.message).toContain('crashed (box, pid 42)');
});

test('a takeover that fenced transactions hold up is told, with who they are', async () => {
  await using election = await left(longTtl);
  const key = `lockd.class_key(lockd.fence_class()), (select id from lockd.lock)`;
  await using fenced = await connect(election.url, 'billing');
  await fenced.client.query(`begin; select pg_advisory_xact_lock_shared(${key})`);
  await using heir = await connect(election.url, 'heir');
  const waiting = heir.client.query(`select pg_advisory_lock(${key})`);
  await expect
    .poll(async () => codes(await picture(election)), { timeout: 10_000 })
    .toEqual(['fence-blocked']);
  expect((await picture(election)).faults[0]?.message).toContain('billing');
  await fenced.client.query('commit');
  await waiting;
});

test('a lease from before a promotion or a restore is told', async () => {
  await using election = await left(longTtl);
  await lease(election, `timeline = '0000002A'`);
  expect(codes(await picture(election))).toEqual(['lease-foreign']);
});

test('a name that is led in two schemas of one database is a fault in both', async () => {
  await using election = await holdElection(longTtl);
  const elsewhere = { connectionString: election.url, schema: 'another' };
  await migrate(elsewhere);
  await registered(election.lead('here'));
  const common = { ...elsewhere, ...longTtl, label: 'there' };
  await using alike = new SingletonLockController({ ...common, name: `${election.name}:x` });
  await alike.start();
  await alike.whenActive();
  expect((await picture(election)).faults).toEqual([]);

  await using same = new SingletonLockController({ ...common, name: election.name });
  await same.start();
  await same.whenActive();
  const [here] = await readStatus({ connectionString: election.url }, election.name);
  const [there] = await readStatus(elsewhere, election.name);
  expect(here?.faults.map(({ code }) => code)).toEqual(['two-schemas']);
  expect(here?.faults[0]?.message).toContain('in schema another');
  expect(there?.faults.map(({ code }) => code)).toEqual(['two-schemas']);
});

test('a role that may only read sees the picture, without the details of other sessions', async () => {
  await using election = await holdElection(longTtl);
  await registered(election.lead('first'));
  const role = `reader_${process.pid}_${Date.now()}`;
  await query(election.url, `create role ${role} login password 'reads'`);
  try {
    await query(election.url, `grant usage on schema lockd to ${role}`);
    await query(election.url, `grant select on all tables in schema lockd to ${role}`);
    const url = new URL(election.url);
    url.username = role;
    url.password = 'reads';
    const [status] = await readStatus({ connectionString: url.href });
    expect(status).toMatchObject({ isLed: true, leader: { label: 'first' }, faults: [] });
    expect(status?.seat).toMatchObject({ state: undefined, startedAt: undefined });
    await query(election.url, `revoke select on lockd.lease from ${role}`);
    await expect(readStatus({ connectionString: url.href })).rejects.toMatchObject({
      code: 'LOCKD_PRIVILEGE',
    });
  } finally {
    await query(election.url, `drop owned by ${role}`);
    await query(election.url, `drop role ${role}`);
  }
});

test('a replica refuses to say who leads: it knows nothing of the locks', async () => {
  await using primary = await startTestCluster();
  await using database = await createDatabase(primary.url());
  await migrate({ connectionString: database.url });
  await using standby = await primary.startStandby();
  await expect(readStatus({ connectionString: standby.url(database.name) })).rejects.toMatchObject({
    code: 'LOCKD_REPLICA',
    message: expect.stringMatching(/Connect to the primary, \S+:\d+, or name all hosts/),
  });
});

test('through a transaction pooler it answers, and sets nothing for whoever has the backend next', async () => {
  await using election = await left(longTtl);
  await lease(election, `ended_at = null, beat_at = clock_timestamp() - interval '2 minutes'`);
  await using pooler = await sharedBackend(election.url);
  const pinned = `select name, setting from pg_settings where source = 'session'
    and name not in ('application_name', 'client_encoding')`;
  const before = await query(pooler.url, pinned);
  const [status] = await readStatus({ connectionString: pooler.url });
  expect(status?.faults).toMatchObject([{ code: 'leader-silent' }]);
  expect(await query(pooler.url, pinned)).toEqual(before);
  await expect(
    readStatus({ connectionString: pooler.url, schema: 'not_there' }),
  ).rejects.toMatchObject({ code: 'LOCKD_SCHEMA_MISSING' });
  await query(pooler.url, 'create table not_read_only ()');
});

test('a schema of another version than this lockd is told by its version', async () => {
  await using election = await holdElection(longTtl);
  const shipped = (await query(election.url, 'select max(version) as is from lockd.migration'))[0];
  await query(
    election.url,
    `alter table lockd.instance drop column rank;
     delete from lockd.migration where version = ${shipped?.['is']}`,
  );
  await expect(readStatus({ connectionString: election.url })).rejects.toMatchObject({
    code: 'LOCKD_SCHEMA_MISSING',
    message: expect.stringMatching(/is at version \d of \d\. Run `lockd migrate`/),
  });
  await query(
    election.url,
    `alter table lockd.instance add column rank bigint[] not null default '{}';
     insert into lockd.migration select 99, 'later', checksum, applied_at from lockd.migration limit 1`,
  );
  await expect(readStatus({ connectionString: election.url })).rejects.toMatchObject({
    code: 'LOCKD_SCHEMA_NEWER',
  });
});

test('a database without the schema says what to run', async () => {
  await using database = await createDatabase();
  await expect(readStatus({ connectionString: database.url })).rejects.toMatchObject({
    code: 'LOCKD_SCHEMA_MISSING',
    message: expect.stringContaining('lockd migrate'),
  });
});

/** An election whose only leader has left for good, so that a test can paint its own picture. */
async function left(options: { ttlMs: number }): Promise<Election> {
  const election = await holdElection(options);
  const { controller } = await registered(election.lead('gone'));
  await controller.stop();
  return election;
}

async function picture(election: Election): Promise<NameStatus> {
  const [status] = await readStatus({ connectionString: election.url }, election.name);
  if (status === undefined) throw new Error('The name is not in the picture.');
  return status;
}

const codes = ({ faults }: NameStatus): string[] => faults.map(({ code }) => code);

const lease = (election: Election, change: string): Promise<unknown> =>
  query(election.url, `update lockd.lease set ${change}`);

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
  await client.connect();
  const { rows } = await client.query('select pg_backend_pid() as backend');
  return { client, backend: rows[0].backend, [Symbol.asyncDispose]: () => client.end() };
}
