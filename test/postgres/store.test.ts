import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type ControllerOptions, settleOptions } from '../../src/core/options.ts';
import type { Candidate } from '../../src/core/store.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { postgresStore } from '../../src/postgres/store.ts';
import { createDatabase, query, type TestDatabase } from '../support/database.ts';
import { expectNoSessions } from '../support/leaks.ts';
import { startProxy } from '../support/proxy.ts';
import { until } from '../support/wait.ts';

let database: TestDatabase;
let names = 0;

beforeAll(async () => {
  database = await createDatabase();
  await migrate({ connectionString: database.url });
  // What a role or a database may impose on every session.
  const imposed = {
    default_transaction_isolation: "'repeatable read'",
    default_transaction_read_only: 'on',
    statement_timeout: "'1s'",
    lock_timeout: "'10ms'",
    synchronous_commit: 'off',
    client_min_messages: 'error',
    idle_session_timeout: "'20s'",
    search_path: 'nowhere',
  };
  const changes = Object.entries(imposed).map(
    ([setting, value]) => `alter database ${database.name} set ${setting} = ${value}`,
  );
  await query(database.url, changes.join('; '));
});

afterAll(() => database[Symbol.asyncDispose]());

/** For sessions of the test itself that write, whatever the database imposes. */
const writable = (): string => `${database.url}?options=-c%20default_transaction_read_only%3Doff`;

const change = (sql: string) => query(writable(), sql);

const candidate = (options: Partial<ControllerOptions> = {}): Candidate => {
  names += 1;
  return settleOptions({ name: `name ${names}`, ...options }).candidate;
};

const open: { destroy(): void }[] = [];

const kept = <Kept extends { destroy(): void }>(session: Kept): Kept => {
  open.push(session);
  return session;
};

afterEach(() => {
  for (const session of open.splice(0)) session.destroy();
});

function setup(who = candidate()) {
  const store = postgresStore({ connectionString: database.url });
  const signal = new AbortController();
  const lost = vi.fn();
  const notice = vi.fn();
  const options = { hooks: { lost, notice }, signal: signal.signal, timeoutMs: 5_000 };
  return {
    who,
    lost,
    notice,
    signal,
    store,
    openSeat: async () => kept(await store.openSeat(who, options)),
    openControl: async () => kept(await store.openControl(who, options)),
  };
}

const vacant = { token: 0n, beat: 0, isEnded: false, highestToken: 0n, waitMs: 100 };

describe('a seat session', () => {
  test('plays the whole protocol, under settings that would each break it', async () => {
    const { openSeat, who } = setup();
    const seat = await openSeat();
    expect(await seat.attempt(100)).toMatchObject({ isGranted: true, lease: { token: 0n } });
    const taken = await seat.takeover(vacant);
    const token = taken.outcome === 'taken' ? taken.token : 0n;
    expect(token).toBeGreaterThan(0n);
    expect(await seat.beat(token)).toBe(true);
    expect(await seat.beat(token - 1n)).toBe(false);
    const lease = await seat.readLease();
    expect(lease).toMatchObject({ token, beat: 1, isEnded: false, label: who.label });
    expect(lease).toMatchObject({ instance: who.instance, ttlMs: 10_000, heartbeatMs: 2_000 });
    expect(lease.recorded).toEqual(lease.server);
    expect(lease.beatAgeMs).toBeLessThan(5_000);
    expect(await seat.release(token, 'stopped')).toBe(true);
    expect(await seat.readLease()).toMatchObject({ token, isEnded: true });
    seat.destroy();
    await expectNoSessions(database.url);
  });

  test('waits longer than any imposed timeout, and then says busy', async () => {
    const one = setup();
    const two = setup(one.who);
    const [leading, waiting] = await Promise.all([one.openSeat(), two.openSeat()]);
    await leading.attempt(100);
    expect(await waiting.attempt(1_200)).toMatchObject({ isGranted: false });
    leading.destroy();
    expect(await waiting.attempt(5_000)).toMatchObject({ isGranted: true });
  });

  test.each([
    { ttlMs: 501 },
    { ttlMs: 2_001 },
    { ttlMs: 1_500.5 },
    { ttlMs: 1_000, heartbeatMs: 99.9 },
  ])('takes over with any sizes that were accepted: %j', async (sizes) => {
    let who: Candidate;
    try {
      who = candidate(sizes);
    } catch {
      return; // refused at construction is as good
    }
    const seat = await setup(who).openSeat();
    await seat.attempt(100);
    expect(await seat.takeover(vacant)).toMatchObject({ outcome: 'taken' });
  });

  test('does not count a beat that the server warned of, because it may not be durable', async () => {
    const { openSeat } = setup();
    const seat = await openSeat();
    await seat.attempt(100);
    const taken = await seat.takeover(vacant);
    const token = taken.outcome === 'taken' ? taken.token : 0n;
    await change(
      `create function lockd.warn() returns trigger language plpgsql as
         $$ begin raise warning 'canceling wait for synchronous replication'; return new; end $$;
       create trigger warns before update on lockd.lease for each row execute function lockd.warn()`,
    );
    const beat = seat.beat(token);
    await expect(beat).rejects.toMatchObject({ code: 'LOCKD_UNCERTAIN', isRetryable: true });
    await change('drop trigger warns on lockd.lease');
  });

  test('says that it is lost when the server ends it', async () => {
    const { openSeat, lost } = setup();
    const seat = await openSeat();
    await query(database.url, 'select pg_terminate_backend($1)', [seat.backend]);
    await until(() => lost.mock.calls.length > 0);
    expect(lost.mock.calls).toMatchObject([[{ code: 'LOCKD_CONNECTION', isRetryable: true }]]);
  });

  test('whose rows were removed by hand says so, with what to do', async () => {
    const { openSeat, who } = setup();
    const seat = await openSeat();
    await change(
      `delete from lockd.lease
       where lock_id = (select id from lockd.lock where name = '${who.name}')`,
    );
    await expect(seat.attempt(50)).rejects.toMatchObject({ code: 'LOCKD_SCHEMA_MISSING' });
  });
});

describe('a control session', () => {
  const presence = (who: Candidate) =>
    query<{ is_present: boolean }>(
      database.url,
      `select exists (select from lockd.advisory_locks(lockd.presence_class()) l
         where l.object = i.id and l.is_granted) as is_present
       from lockd.instance i where instance = $1`,
      [who.instance],
    );

  test('registers, hears notices of its name, and signs off', async () => {
    const { openSeat, openControl, notice, who } = setup(candidate({ metadata: { zone: 'b' } }));
    const [seat, control] = await Promise.all([openSeat(), openControl()]);
    expect(await presence(who)).toEqual([{ is_present: true }]);
    await seat.attempt(100);
    const taken = await seat.takeover(vacant);
    const token = taken.outcome === 'taken' ? taken.token : 0n;
    expect(await control.testify(token, 'confession', 'session-lost')).toBe(true);
    await until(() => notice.mock.calls.length >= 2);
    expect(notice.mock.calls).toEqual([
      [{ kind: 'taken', token, reason: undefined }],
      [{ kind: 'ended', token, reason: 'session-lost' }],
    ]);
    await control.close();
    seat.destroy();
    expect(await presence(who)).toEqual([]);
    await expectNoSessions(database.url);
  });

  test('cut off leaves a row without presence: nobody takes it for alive', async () => {
    const { openControl, who } = setup();
    const control = await openControl();
    control.destroy();
    await until(async () => (await presence(who))[0]?.is_present === false);
  });

  test('of a witness registers nobody and listens to nothing, and testifies', async () => {
    const { openSeat, who, store } = setup();
    const seat = await openSeat();
    await seat.attempt(100);
    const taken = await seat.takeover(vacant);
    const token = taken.outcome === 'taken' ? taken.token : 0n;
    const hooks = { lost: vi.fn(), notice: vi.fn() };
    const signal = new AbortController().signal;
    const ofWitness = postgresStore({ connectionString: database.url }, { isWitness: true });
    const witness = await ofWitness.openControl(who, { hooks, signal, timeoutMs: 5_000 });
    expect(await presence(who)).toEqual([]);
    expect(await witness.testify(token, 'testimony', 'its process died')).toBe(true);
    expect(await seat.readLease()).toMatchObject({ token, isEnded: true });
    expect(hooks.notice).not.toHaveBeenCalled();
    await witness.close();
    seat.destroy();
    expect(await store.probe(5_000)).toBe('accepting');
    await expectNoSessions(database.url);
  });

  test('that nobody wants any more while it registers is not left open', async () => {
    const { openControl, signal } = setup();
    const blocker = new pg.Client({ connectionString: writable() });
    await blocker.connect();
    await blocker.query('begin; lock table lockd.instance in access exclusive mode');
    const opening = openControl().then(
      (control) => control,
      () => undefined,
    );
    await until(async () => {
      const sql =
        "select from pg_locks where not granted and relation = 'lockd.instance'::regclass";
      return (await query(database.url, sql)).length > 0;
    });
    signal.abort();
    await blocker.end();
    expect(await opening).toBeUndefined();
    await expectNoSessions(database.url);
  });
});

test('a probe says whether the server takes connections, and rejects for nothing', async () => {
  const { store } = setup();
  expect(await store.probe(5_000)).toBe('accepting');
  const nowhere = postgresStore({ connectionString: 'postgres://127.0.0.1:1/x' });
  expect(await nowhere.probe(5_000)).toBe('unknown');
  const missing = postgresStore({ connectionString: `${database.url}_missing` });
  expect(await missing.probe(5_000)).toBe('unknown');
});

test.each([
  [2, 'accepting'],
  [3, 'shutting-down'],
])(
  'after %i refusals in a row a probe says %s: one may be that of another server behind the same address',
  async (refusals, health) => {
    await using balancer = await startProxy(database.url);
    const refusing = createServer((client) => {
      client.on('error', () => {}); // whoever is refused hangs up
      client.once('data', () => {
        if (balancer.connections.length === refusals) balancer.pointAt(database.url);
        client.end(cannotConnectNow);
      });
    });
    refusing.listen(0, '127.0.0.1');
    await once(refusing, 'listening');
    balancer.pointAt(`postgres://127.0.0.1:${(refusing.address() as AddressInfo).port}`);
    const { probe } = postgresStore({ connectionString: balancer.url(database.url) });
    expect(await probe(5_000)).toBe(health);
    expect(balancer.connections).toHaveLength(3);
    refusing.close();
    await once(refusing, 'close');
  },
);

/** An ErrorResponse, as a server sends it that lets nobody in. */
const cannotConnectNow = ((): Buffer => {
  const fields = Buffer.from('SFATAL\0C57P03\0Mthe database system is starting up\0\0');
  const head = Buffer.alloc(5, 'E');
  head.writeInt32BE(4 + fields.length, 1);
  return Buffer.concat([head, fields]);
})();
