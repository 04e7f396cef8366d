import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Cluster } from '../../src/embedded/cluster.ts';
import { freePort } from '../../src/embedded/port.ts';
import { migrate } from '../../src/index.ts';
import { settleDatabase } from '../../src/postgres/connection.ts';
import { type Examination, examine } from '../../src/postgres/doctor/examine.ts';
import { apart, type Finding, toldBy, worstOf } from '../../src/postgres/doctor/finding.ts';
import { serviceOf } from '../../src/postgres/doctor/hosting.ts';
import { unkept } from '../../src/postgres/doctor/settings.ts';
import { type Patient, Visit } from '../../src/postgres/doctor/visit.ts';
import { replica } from '../../src/postgres/failures.ts';
import { grantScript } from '../../src/postgres/grants.ts';
import { read } from '../docs/pages.ts';
import { startTestCluster } from '../support/cluster.ts';
import { createDatabase, query, type TestDatabase, withDatabase } from '../support/database.ts';
import { holdElection, terminate } from '../support/election.ts';
import { expectNoSessions } from '../support/leaks.ts';
import { filledQueue } from '../support/notices.ts';
import { type PoolMode, pgbouncerMissing, startPgBouncer } from '../support/pgbouncer.ts';
import { startProxy } from '../support/proxy.ts';
import { reload } from '../support/reload.ts';
import { until } from '../support/wait.ts';

let cluster: Cluster;
let standby: Cluster;
/** For tests that change nothing in it. */
let fit: TestDatabase;
let knowsQueueSize: boolean;

beforeAll(async () => {
  const locks = '33'; // in all of them less than a thousand
  cluster = await startTestCluster({
    settings: { fsync: 'on', max_connections: '30', max_locks_per_transaction: locks },
  });
  const setting = `select from pg_settings where name = 'max_notify_queue_pages'`;
  knowsQueueSize = (await query(cluster.url(), setting)).length > 0;
  if (knowsQueueSize) await query(cluster.url(), 'alter system set max_notify_queue_pages = 64');
  // It restarts the primary.
  standby = await cluster.startStandby({ settings: { max_locks_per_transaction: '64' } });
  fit = await migrated();
});
afterAll(async () => {
  await standby?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

type Found = Readonly<Record<string, Finding>>;

async function look(connectionString: string, about?: Examination): Promise<Found> {
  const findings = await examine({ connectionString }, about);
  return Object.fromEntries(findings.map((finding) => [finding.check, finding]));
}

const verdictsOf = (found: Found): Record<string, string> =>
  Object.fromEntries(Object.entries(found).map(([check, { verdict }]) => [check, verdict]));

async function migrated(): Promise<TestDatabase> {
  const database = await createDatabase(cluster.url());
  await migrate({ connectionString: database.url });
  return database;
}

interface Role extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
}

/** A role of no rights, in one database. */
async function roleIn({ url, name }: TestDatabase): Promise<Role> {
  const role = `role_${name}`;
  await query(url, `create role ${role} login`);
  const address = new URL(url);
  address.username = role;
  return {
    name: role,
    url: address.href,
    async [Symbol.asyncDispose]() {
      await query(url, `drop owned by ${role}; drop role ${role}`);
    },
  };
}

/** Everything in the database that outlives a session. */
const kept = (url: string): Promise<unknown[]> =>
  query(
    url,
    `select (select count(*) from pg_class) as classes, (select count(*) from pg_db_role_setting) as settings,
            (select count(*) from pg_stat_activity where datname = current_database()) as sessions,
            (select json_agg(l) from lockd.lock l) as locks, (select json_agg(i) from lockd.instance i) as instances`,
  );

describe('a database that fits', () => {
  test('passes every check, but for two notes, and nothing in it has changed', async () => {
    const before = await kept(fit.url);
    const found = await look(fit.url, { name: 'bot' });
    const { durability, 'lock-table': locks, ...others } = verdictsOf(found);
    expect([durability, locks]).toEqual(['note', 'note']);
    expect(new Set(Object.values(others))).toEqual(new Set(['ok']));
    expect(Object.keys(found)).toEqual([
      ...['connection', 'pooler', 'proxy', 'server', 'primary', 'timeouts', 'keepalives'],
      ...['log-lock-waits', 'schema', 'privileges', 'notices', 'connections', 'lock-table'],
      ...['round-trip', 'clock', 'durability', 'commit', 'hosting', 'status'],
    ]);
    const page = read('docs/cli.md');
    for (const check of ['hosts', ...Object.keys(found)]) expect(page).toContain(`\`${check}\``);
    expect(found['keepalives']?.message).toMatch(/in force on the server’s socket: .*idle 5/i);
    expect(found['timeouts']?.message).toContain('idle_session_timeout');
    expect(found['status']?.message).toBe('Nobody has ever led "bot" here.');
    await expectNoSessions(fit.url);
    expect(await kept(fit.url)).toEqual(before);
  });

  test('by a unix socket needs no keepalives', async () => {
    const found = await look(cluster.socketUrl(fit.name));
    expect(found['keepalives']).toMatchObject({
      verdict: 'ok',
      message: expect.stringMatching(/unix socket/),
    });
    expect(found['proxy']).toMatchObject({
      verdict: 'ok',
      message: expect.stringMatching(/unix socket/),
    });
  });

  test('has its leader told, and what is wrong with the name', async () => {
    await using election = await holdElection({ ttlMs: 60_000 }, cluster.url());
    await election.lead('first');
    const about = { name: election.name };
    expect((await look(election.url, about))['status']).toMatchObject({
      verdict: 'ok',
      message: expect.stringMatching(/^first leads "led" since .*; 0 wait\.$/),
    });
    await query(election.url, `update lockd.lease set beat_at = beat_at - interval '1 hour'`);
    expect((await look(election.url, about))['status']).toMatchObject({
      verdict: 'warning',
      message: expect.stringMatching(/leader-silent/),
      remedy: expect.stringContaining('pg_terminate_backend'),
    });
  });
});

describe('a database that cannot be reached', () => {
  test('is a problem, and the only finding', async () => {
    const url = `postgres://bot:secret@127.0.0.1:${await freePort()}/app`;
    const findings = await examine({ connectionString: url });
    expect(findings).toEqual([
      {
        check: 'connection',
        verdict: 'problem',
        message: expect.stringMatching(/^Cannot connect to database "app".*ECONNREFUSED/),
        remedy: 'Check host and port, and that the server is up.',
      },
    ]);
    expect(JSON.stringify(findings)).not.toContain('secret');
  });

  test('because a role has no connection left: the same', async () => {
    await using database = await createDatabase(cluster.url());
    await using role = await roleIn(database);
    await query(database.url, `alter role ${role.name} connection limit 0`);
    expect(await examine({ connectionString: role.url })).toMatchObject([
      {
        verdict: 'problem',
        message: expect.stringMatching(/too many connections for role/),
        remedy: expect.stringMatching(/max_connections/),
      },
    ]);
  });

  test('by one of its hosts is a warning: after a failover it may be the only one', async () => {
    const { hostname, port, pathname } = new URL(fit.url);
    const url = (other: number) =>
      `postgres://postgres@${hostname}:${port},${hostname}:${other}${pathname}`;
    expect((await look(url(await freePort())))['hosts']).toMatchObject({
      verdict: 'warning',
      message: expect.stringMatching(/^Of 2 hosts 1 cannot be connected to: .*ECONNREFUSED/),
    });
    const both = (await look(url(standby.port)))['hosts'];
    expect(both).toMatchObject({ verdict: 'ok', message: 'All 2 hosts answer.' });
  });

  test('any more is over with the check that finds it; a session that is lost is made anew', async () => {
    await using database = await createDatabase(cluster.url());
    await using proxy = await startProxy(database.url);
    const options = { connectionString: proxy.url() };
    const patient = { ...settleDatabase(options), options, timeoutMs: 5_000 } as Patient;
    await using visit = new Visit(patient);
    const backend = async (): Promise<number> =>
      (await visit.ask('select pg_backend_pid() as pid')).rows[0].pid;
    const first = await backend();
    await terminate(database.url, first);
    await until(async () => (await backend()) !== first);
    expect(visit.isOver).toBe(false);
    await proxy.refuse();
    proxy.cut();
    await until(async () => (await backend().catch(() => 0)) === 0 && visit.isOver);
  });
});

describe('a server', () => {
  test('that is a replica is a problem, and the rest is looked at all the same', async () => {
    const url = withDatabase(standby.url(), fit.name);
    await until(async () => (await query(url, 'select')).length === 1);
    const found = await look(url);
    expect(found['primary']).toMatchObject({
      verdict: 'problem',
      remedy: expect.stringMatching(/primary/),
    });
    expect(found['server']).toMatchObject({
      verdict: 'ok',
      message: expect.stringMatching(/^PostgreSQL \d+/),
    });
    expect(found['notices']).toMatchObject({
      verdict: 'warning',
      message: expect.stringMatching(/^Could not be told: /),
    });
    // The standby's own: what is flushed there is its affair, and off.
    expect(found['durability']).toMatchObject({
      verdict: 'warning',
      message: expect.stringMatching(/^fsync is off/),
    });
  });

  test('of another kind is a problem: it is what it says that counts', async () => {
    await using database = await migrated();
    await using role = await roleIn(database);
    const lie = `create function version() returns text language sql as $$ select 'Postgres-alike 1.0 on x' $$`;
    await query(database.url, lie);
    await query(database.url, `alter role ${role.name} set search_path = public, pg_catalog`);
    expect((await look(role.url))['server']).toMatchObject({
      verdict: 'problem',
      message: expect.stringContaining('calls itself "Postgres-alike 1.0 on x"'),
      remedy: expect.stringContaining('PostgreSQL 14'),
    });
  });

  test('in which a stranger has put functions by the names of its own runs none of them', async () => {
    await using database = await migrated();
    for (const [name, takes] of [
      ['unnest', 'text[]'],
      ['pg_has_role', 'text, text'],
      ['pg_logical_emit_message', 'boolean, text, text'],
    ]) {
      await query(
        database.url,
        `create function public.${name}(${takes}) returns text language plpgsql
         as $$ begin raise exception 'a trap'; end $$`,
      );
    }
    const trapped = query(database.url, `select unnest('{a}'::text[])`);
    await expect(trapped).rejects.toThrow('a trap');
    expect(JSON.stringify(await look(database.url, { name: 'bot' }))).not.toContain('a trap');
  });

  test('whose identity this role may not read is a problem: leases are compared by it', async () => {
    await using database = await migrated();
    await using role = await roleIn(database);
    await query(database.url, 'revoke execute on function pg_control_system() from public');
    await query(
      database.url,
      'revoke execute on function pg_logical_emit_message(boolean, text, text, boolean) from public',
    ).catch(() => query(database.url, emitBefore17));
    const found = await look(role.url);
    expect(found['primary']).toMatchObject({
      verdict: 'problem',
      message: expect.stringMatching(/pg_control_system/),
    });
    expect(found['commit']).toMatchObject({
      verdict: 'note',
      message: expect.stringMatching(/^Not measured/),
    });
    expect(found['hosting']?.verdict).toBe('ok');
  });

  test('where no synchronous standby answers is a problem, and no backend is left to wait for it', async () => {
    await using role = await roleIn(fit);
    await query(cluster.url(), "alter system set synchronous_standby_names = 'nobody'");
    await reload(cluster);
    try {
      const [found, narrow] = await Promise.all([look(fit.url), look(role.url)]);
      expect(found['durability']).toMatchObject({
        verdict: 'problem',
        remedy: expect.stringMatching(/reset synchronous/),
      });
      for (const { commit } of [found, narrow]) {
        expect(commit).toMatchObject({
          verdict: 'problem',
          message: expect.stringMatching(/waits for a standby/),
        });
      }
      // It does not see who is there.
      expect(narrow['durability']).toMatchObject({
        verdict: 'ok',
        message: expect.stringMatching(/pg_read_all_stats/),
      });
      await expectNoSessions(fit.url);
      await query(cluster.url(), "alter system set synchronous_standby_names = 'standby'");
      await reload(cluster);
      await until(async () => {
        const { durability, commit } = await look(fit.url);
        return durability?.message.includes('1 of them synchronous') && commit?.verdict === 'ok';
      });
    } finally {
      await query(cluster.url(), 'alter system reset synchronous_standby_names');
      await reload(cluster);
    }
  });

  test('whose queue of notices is nearly full is a warning', async ({ skip }) => {
    if (!knowsQueueSize) skip('before PostgreSQL 17 the queue holds 8 GB');
    await using _ = await filledQueue(fit.url);
    expect((await look(fit.url))['notices']).toMatchObject({
      verdict: 'warning',
      message: expect.stringMatching(/^The queue of notices is \d+ % full/),
    });
  });

  test('that logs waits is a warning where attempts cannot stay below deadlock_timeout; the remedy ends it', async () => {
    await using role = await roleIn(fit);
    const set = (text: string) => query(fit.url, `alter role ${role.name} set ${text}`);
    await set('log_lock_waits = on');
    expect((await look(role.url))['log-lock-waits']).toMatchObject({
      verdict: 'ok',
      message: expect.stringMatching(/^On/),
    });
    await set(`deadlock_timeout = '100ms'`);
    const { verdict, remedy } = (await look(role.url))['log-lock-waits'] as Finding;
    expect(verdict).toBe('warning');
    const [, command = ''] = /: (alter role .*;)$/.exec(remedy ?? '') ?? [];
    await query(fit.url, command);
    expect((await look(role.url))['log-lock-waits']?.message).toBe('Off.');
  });

  test('whose clock differs from ours is worth a note', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
    try {
      expect((await look(fit.url))['clock']).toMatchObject({
        verdict: 'note',
        message: expect.stringMatching(/^The server’s clock is 3[56]\d{5} ms behind ours/),
      });
    } finally {
      vi.useRealTimers();
    }
  });

  test('of a managed service is recognized, with what to look at', async () => {
    await query(fit.url, 'create role rds_superuser');
    try {
      expect((await look(fit.url))['hosting']).toMatchObject({
        verdict: 'note',
        message: 'This looks like Amazon RDS.',
      });
    } finally {
      await query(fit.url, 'drop role rds_superuser');
    }
  });
});

const emitBefore17 =
  'revoke execute on function pg_logical_emit_message(boolean, text, text) from public';

describe('a schema', () => {
  test('that is missing, older or newer is a problem, each with what to run', async () => {
    await using database = await createDatabase(cluster.url());
    const schema = async () => (await look(database.url))['schema'];
    const run = expect.stringMatching(/^Run `lockd migrate`/);
    expect(await schema()).toMatchObject({
      verdict: 'problem',
      message: expect.stringMatching(/no schema/),
      remedy: run,
    });
    await migrate({ connectionString: database.url });
    expect(await schema()).toMatchObject({ verdict: 'ok' });
    await query(
      database.url,
      'delete from lockd.migration where version = (select max(version) from lockd.migration)',
    );
    expect(await schema()).toMatchObject({ verdict: 'problem', remedy: run });
    await query(database.url, `insert into lockd.migration values (1000, '1000_later.sql', '')`);
    expect(await schema()).toMatchObject({ verdict: 'problem', remedy: 'Upgrade lockd here.' });
  });

  test('that is missing, where this role may not make it, is for somebody else to make', async () => {
    await using database = await createDatabase(cluster.url());
    await using role = await roleIn(database);
    const found = await look(role.url);
    expect(found['schema']).toMatchObject({
      verdict: 'problem',
      remedy: expect.stringMatching(/as the owner/),
    });
    expect(found['privileges']).toMatchObject({
      verdict: 'note',
      remedy: expect.stringMatching(/after `lockd migrate`/),
    });
  });

  test('that a role may not use is a problem until it is granted what the remedy prints', async () => {
    await using database = await migrated();
    await using role = await roleIn(database);
    expect((await look(role.url))['privileges']).toMatchObject({
      verdict: 'problem',
      message: expect.stringMatching(/lacks usage on the schema, .* and \d+ more\.$/),
      remedy: `As the owner of the schema: lockd migrate --print-grants ${role.name} | psql`,
    });
    await query(database.url, grantScript(role.name));
    expect((await look(role.url))['privileges']?.verdict).toBe('ok');
    for (const right of ['delete on lockd.term', 'execute on function lockd.fence(text, bigint)']) {
      await query(database.url, `revoke ${right} from ${role.name}`);
    }
    expect((await look(role.url))['privileges']?.message).toContain(
      'lacks execute on fence, delete on term.',
    );
  });
});

describe('room for connections', () => {
  test('is that of the role, of the database or of the server, whichever is the least', async () => {
    await using database = await migrated();
    await using role = await roleIn(database);
    const room = async (instances: number) => (await look(role.url, { instances }))['connections'];
    expect(await room(1)).toMatchObject({
      verdict: 'ok',
      message: expect.stringMatching(/max_connections is 30/),
    });
    await query(database.url, `alter database ${database.name} connection limit 9`);
    expect(await room(1)).toMatchObject({
      verdict: 'ok',
      message: expect.stringMatching(/^Room for 9 .*of database/),
    });
    await query(database.url, `alter role ${role.name} connection limit 5`);
    expect(await room(2)).toMatchObject({
      verdict: 'warning',
      message: expect.stringMatching(/^Room for 5 .*of role/),
    });
    expect(await room(3)).toMatchObject({
      verdict: 'problem',
      remedy: expect.stringContaining(`alter role "${role.name}" connection limit`),
    });
  });

  test('is counted by what others have taken', async () => {
    const free = 30 - 3;
    const others = Array.from({ length: free - 4 }, () => new pg.Client(fit.url));
    try {
      await Promise.all(others.map((client) => client.connect()));
      expect((await look(fit.url, { instances: 2 }))['connections']).toMatchObject({
        verdict: 'warning',
        message: expect.stringMatching(/^Room for 4 more/),
      });
      expect((await look(fit.url, { instances: 3 }))['connections']?.verdict).toBe('problem');
    } finally {
      await Promise.all(others.map((client) => client.end()));
    }
  });
});

describe('the way to the server', () => {
  test('through a proxy is seen by the ends of it, which differ', async () => {
    await using proxy = await startProxy(fit.url);
    const found = await look(proxy.url());
    expect(found['proxy']).toMatchObject({
      verdict: 'note',
      message: expect.stringMatching(/Something is in between/),
    });
    expect(found['pooler']?.verdict).toBe('ok');
  });

  test('that takes a large part of a heartbeat is a warning, with the TTL that would fit', async () => {
    await using proxy = await startProxy(fit.url);
    proxy.delay(8);
    const found = await look(proxy.url(), { ttlMs: 500, heartbeatMs: 50 });
    for (const check of ['round-trip', 'commit']) {
      expect(found[check]).toMatchObject({
        verdict: 'warning',
        message: expect.stringMatching(/a beat is due every 50 ms/),
        remedy: expect.stringMatching(/--ttl \d+s/),
      });
    }
  });
});

const missing = await pgbouncerMissing();

describe.skipIf(missing !== undefined)('behind PgBouncer', () => {
  test.each<[PoolMode, string, Record<string, string>]>([
    ['session', 'note', { proxy: 'note', timeouts: 'ok', schema: 'ok', commit: 'ok' }],
    ['transaction', 'problem', { proxy: 'note', timeouts: 'ok', schema: 'ok', commit: 'ok' }],
    ['statement', 'problem', { server: 'ok', schema: 'warning', 'round-trip': 'ok' }],
  ])('in %s mode the pooler is a %s', async (mode, verdict, others) => {
    await using pool = await startPgBouncer(fit.url, mode);
    const verdicts = verdictsOf(await look(pool.url));
    expect(verdicts).toMatchObject({ pooler: verdict, ...others });
  });

  test('a transaction pool of one is seen at once, and its backend is handed on as it was', async () => {
    await using pool = await startPgBouncer(fit.url, 'transaction', { default_pool_size: 1 });
    const { pooler } = await look(pool.url);
    expect(pooler).toMatchObject({
      verdict: 'problem',
      message: expect.stringMatching(/transaction pooler/),
    });
    const left = `select name from pg_settings
      where source = 'session' and name not in ('application_name', 'client_encoding', 'DateStyle', 'TimeZone')
      union all select pg_listening_channels()`;
    expect(await query(pool.url, left)).toEqual([]);
  });
});

describe('how findings are told', () => {
  test('the worst of them is the worst', () => {
    const finding = (verdict: Finding['verdict']): Finding => ({
      check: 'server',
      verdict,
      message: '',
      remedy: undefined,
    });
    expect(worstOf([])).toBe('ok');
    expect(worstOf([finding('ok'), finding('note')])).toBe('note');
    expect(worstOf([finding('problem'), finding('warning'), finding('ok')])).toBe('problem');
  });

  test('what instances would be refused with is a problem, anything else a warning', () => {
    expect(toldBy(replica())).toMatchObject({
      verdict: 'problem',
      remedy: 'Connect to the primary.',
    });
    expect(toldBy(new Error('odd'))).toMatchObject({
      verdict: 'warning',
      message: 'Could not be told: odd',
      remedy: expect.stringMatching(/again/),
    });
    expect(apart(new Error('odd'))).toEqual({ what: 'odd', remedy: undefined });
  });

  test('a setting that the server does not keep is named, and one that it does not have is not missed', () => {
    const wanted = { lock_timeout: '0', transaction_timeout: '0', idle_session_timeout: '2000' };
    expect(unkept(wanted, { lock_timeout: '0', idle_session_timeout: '0' })).toEqual([
      'idle_session_timeout is 0 instead of 2000',
    ]);
  });

  test.each([
    ['db.proxy-abc.eu-west-1.rds.amazonaws.com', 'Amazon RDS Proxy'],
    ['db.cluster-ro-abc.eu-west-1.rds.amazonaws.com', 'Amazon Aurora'],
    ['db.abc.eu-west-1.rds.amazonaws.com', 'Amazon RDS'],
    ['db.postgres.database.azure.com', 'Azure Database for PostgreSQL'],
    ['ep-cool-pooler.eu-central-1.aws.neon.tech', 'Neon'],
    ['aws-0-eu-central-1.pooler.supabase.com', 'Supabase'],
    ['neon.tech.example.org', undefined],
  ])('the host %s is known as %s', (host, name) => {
    const nothing = { settings: [], roles: [], schemas: [], functions: [] };
    expect(serviceOf({ ...nothing, hosts: [host] })?.name).toBe(name);
  });

  test.each([
    [{ instances: 0 }, '`instances` to be a whole number'],
    [{ heartbeatMs: 9_000 }, '`heartbeatMs`'],
    [{ name: '' }, '`name`'],
    [{ instance: 2 }, 'Did you mean `instances`?'],
  ])('nothing is looked at for %j', async (about, message) => {
    const refused = examine({ connectionString: 'postgres://h/x' }, about as Examination);
    await expect(refused).rejects.toMatchObject({
      code: 'LOCKD_INVALID_OPTION',
      message: expect.stringContaining(message),
    });
  });
});
