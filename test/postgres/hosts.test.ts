import pg from 'pg';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { LockdError } from '../../src/core/errors.ts';
import { describeDatabase } from '../../src/postgres/describe.ts';
import { Hosts, hostsOf } from '../../src/postgres/hosts.ts';

afterEach(() => vi.unstubAllEnvs());

/** As `pg` reads what we make of them. */
const places = (named: Parameters<typeof hostsOf>[0]): string[] =>
  hostsOf(named).all.map((config) => {
    const { user, host, port, database } = new pg.Client(config);
    return `${user}@${host}:${port}/${database}`;
  });

describe('several hosts are taken as libpq takes them', () => {
  test.each([
    ['postgres://bot@one:1,two:2/db', ['bot@one:1/db', 'bot@two:2/db']],
    ['postgres://bot@one,two/db', ['bot@one:5432/db', 'bot@two:5432/db']],
    ['postgresql://bot@[::1]:1,two/db?sslmode=disable', ['bot@::1:1/db', 'bot@two:5432/db']],
    ['postgres://bot:a,b%40c@one:1/db', ['bot@one:1/db']],
    ['postgres://bot@/db?host=one,two&port=1,2', ['bot@one:1/db', 'bot@two:2/db']],
    ['postgres://bot@/db?host=/run/a,/run/b&port=7', ['bot@/run/a:7/db', 'bot@/run/b:7/db']],
    ['postgres://bot@one/db?target_session_attrs=read-write', ['bot@one:5432/db']],
  ])('in the address %s', (connectionString, expected) => {
    expect(places({ connectionString })).toEqual(expected);
  });

  test('in host and port, and in PGHOST and PGPORT', () => {
    const both = { user: 'bot', database: 'db' };
    expect(places({ connection: { ...both, host: 'one, two', port: 7 } })).toEqual([
      'bot@one:7/db',
      'bot@two:7/db',
    ]);
    vi.stubEnv('PGHOST', 'one,two');
    vi.stubEnv('PGPORT', '1,2');
    expect(places({ connection: both })).toEqual(['bot@one:1/db', 'bot@two:2/db']);
  });

  test('and all of them are named to people', () => {
    const connectionString = 'postgres://bot:secret@one:1,two:2/db';
    expect(describeDatabase({ connectionString })).toBe(
      'database "db" of user "bot" at one:1 or two:2',
    );
    const sockets = 'postgres://bot@/db?host=/run/a,/run/b';
    expect(describeDatabase({ connectionString: sockets })).toBe(
      'database "db" of user "bot" at /run/a, port 5432 or /run/b, port 5432',
    );
  });
});

describe('of several hosts', () => {
  const configs = [{ host: 'one' }, { host: 'two' }, { host: 'three' }];

  test('the one found last is asked first, and the others in turn', async () => {
    const hosts = new Hosts(configs);
    const asked: unknown[] = [];
    const only = (wanted: string) => async (config: pg.ClientConfig) => {
      asked.push(config.host);
      if (config.host !== wanted) throw new Error('not this one');
      return config.host;
    };
    expect(await hosts.first(only('two'))).toBe('two');
    expect(await hosts.first(only('one'))).toBe('one');
    expect(asked).toEqual(['one', 'two', 'two', 'three', 'one']);
    expect(hosts.found).toEqual({ host: 'one' });
  });

  test.each([
    ['a replica and one that is down', [replica, down], 'LOCKD_CONNECTION', true],
    ['nothing but replicas', [replica, replica], 'LOCKD_REPLICA', true],
    ['nothing but refused logins', [refused, refused], 'LOCKD_CONNECTION', false],
  ])('%s are told of, one by one', async (_what, errors, code, isRetryable) => {
    const hosts = new Hosts(configs.slice(0, errors.length));
    let at = 0;
    const opened = hosts.first(async () => {
      throw errors[at++]?.();
    });
    const message = expect.stringContaining(errors.map((error) => error().message).join('; '));
    await expect(opened).rejects.toMatchObject({ code, isRetryable, message });
  });

  test('one alone says itself what is wrong', async () => {
    const error = refused();
    const opened = new Hosts([{ host: 'one' }]).first(async () => {
      throw error;
    });
    await expect(opened).rejects.toBe(error);
  });
});

function replica(): LockdError {
  return new LockdError('LOCKD_REPLICA', 'a replica');
}

function down(): LockdError {
  return new LockdError('LOCKD_CONNECTION', 'down', { isRetryable: true });
}

function refused(): LockdError {
  return new LockdError('LOCKD_CONNECTION', 'wrong password');
}
