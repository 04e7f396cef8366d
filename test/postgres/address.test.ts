import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type DatabaseOptions, settleDatabase } from '../../src/postgres/connection.ts';

const variables = ['PGHOST', 'PGPORT', 'PGDATABASE', 'PGUSER', 'PGSSLMODE'];

beforeEach(() => {
  for (const name of variables) vi.stubEnv(name, undefined);
});
afterEach(() => vi.unstubAllEnvs());

/** As somebody may write it who has no types. */
function refusal(options: unknown): string {
  try {
    settleDatabase(options as DatabaseOptions);
  } catch (error) {
    expect(error).toMatchObject({ code: 'LOCKD_INVALID_OPTION', isRetryable: false });
    return (error as Error).message;
  }
  return 'accepted';
}

const url = 'postgres://bot@host/db';

describe('what pg would misread without a word is refused:', () => {
  const cases: [string, unknown, RegExp][] = [
    [
      'a scheme, in `connection`',
      { connection: { connectionString: 'mysql://h/db' } },
      /^Expected a/,
    ],
    [
      'a mode, in `connection`',
      { connection: { connectionString: `${url}?sslmode=verfy-full` } },
      /`sslmode` to be one of/,
    ],
    ['a later mode', { connectionString: `${url}?sslmode=require&sslmode=x` }, /got "x"/],
    ['a key', { connection: { hots: 'h' } }, /`hots` in `connection`. Did you mean `host`/],
    ['another key', { connection: { passwd: 'x' } }, /`passwd` in .* mean `password`/],
    ['a key of libpq', { connection: { sslmode: 'require' } }, /no option `sslmode` in/],
    ['a host beside an address', { connectionString: url, connection: { host: 'h' } }, /\.host`/],
    ['a user beside an address', { connectionString: url, connection: { user: 'u' } }, /\.user`/],
    [
      'two addresses',
      { connectionString: url, connection: { connectionString: `${url}2` } },
      /`connection.connectionString`, got both/,
    ],
    ['a URL object', { connectionString: new URL(url) }, /to be a string, got object.*`href`/],
    ['a number', { connectionString: 5 }, /to be a string, got number/],
    ['a schema that is no text', { schema: 5 }, /`schema` to be .*, got number/],
    ['a schema of the server', { schema: 'pg_foo' }, /begin with pg_ are the server's/],
    ['another one', { schema: 'information_schema' }, /information_schema and names/],
  ];
  test.each(cases)('%s', (_, options, message) => {
    expect(refusal(options)).toMatch(message);
  });

  test.each(['host', 'user', 'database', 'options'])('a %s that is no text', (name) => {
    const message = `Expected \`connection.${name}\` to be a string, got`;
    expect(refusal({ connection: { [name]: 5 } })).toBe(`${message} number.`);
    expect(refusal({ connection: { [name]: ['x'] } })).toBe(`${message} object.`);
    expect(refusal({ connection: { [name]: null } })).toBe('accepted');
  });

  test.each([
    ['sslmod=disable', 'sslmode'],
    ['sslmdoe=disable', 'sslmode'],
    ['SSLMODE=require', 'sslmode'],
    ['tls=true', 'sslmode'],
    ['hots=h', 'host'],
    ['pasword=x', 'password'],
    ['connect_timout=5', 'connect_timeout'],
    ['aplication_name=x', 'application_name'],
  ])('a parameter ?%s', (parameter, meant) => {
    expect(refusal({ connectionString: `${url}?${parameter}` })).toContain(
      `Did you mean \`${meant}\`?`,
    );
  });

  test.each([
    ['connect_timeout=abc', /`connect_timeout` to be whole seconds, got "abc"/],
    ['target_session_attrs=bogus', /to be one of any, .*got "bogus"/],
    ['sslnegotiation=bogus', /to be one of postgres, direct, got "bogus"/],
    ['dbname=db', /Put the database behind the host/],
    ['hostaddr=10.0.0.1', /where the host stands/],
    ['service=app', /service file/],
  ])('a value in ?%s', (parameter, message) => {
    expect(refusal({ connectionString: `${url}?${parameter}` })).toMatch(message);
  });
});

describe('what means what it says is taken:', () => {
  test.each([
    'sslmode=require&channel_binding=require',
    'pgbouncer=true&connection_limit=1&pool_timeout=10&socket_timeout=5&schema=public',
    'supa=base-pooler.x',
    'options=endpoint%3Dep-1',
    'sslmode=require&sslaccept=strict',
    'sslmode=disable&target_session_attrs=read-write&connect_timeout=10',
    'keepalives=1&keepalives_idle=5&statement_timeout=0&lock_timeout=0&query_timeout=0',
    'user=bot@tenant&application_name=a@b',
  ])('?%s', (parameters) => {
    expect(refusal({ connectionString: `${url}?${parameters}` })).toBe('accepted');
  });

  test.each([
    'postgres://b%40t:p%2Fw%23%3F@h1:1,[::1]:2,h3/db',
    'postgresql://bot@/db?host=/run/a,/run/b&port=7,8',
    'postgres:///db',
    'socket:/run/postgresql?db=app&encoding=utf8',
    '/run/postgresql app',
  ])('%s', (connectionString) => {
    expect(refusal({ connectionString })).toBe('accepted');
    expect(refusal({ connection: { connectionString } })).toBe('accepted');
  });

  test("a pool's settings, and what stands beside an address", () => {
    const pool = { max: 5, idleTimeoutMillis: 1, allowExitOnIdle: true, connectionString: url };
    expect(refusal({ connection: pool })).toBe('accepted');
    const beside = { host: undefined, password: () => 'secret', ssl: false, query_timeout: 1 };
    expect(refusal({ connectionString: url, connection: beside })).toBe('accepted');
  });
});

test('several hosts of an address in `connection` are each of them a host', () => {
  const connectionString = 'postgres://bot@h1,h2/db';
  const { hosts } = settleDatabase({ connection: { connectionString } });
  expect(hosts.all.map((config) => config.connectionString)).toEqual([
    'postgres://bot@h1/db',
    'postgres://bot@h2/db',
  ]);
});

describe('a port that is none is refused before anything is connected:', () => {
  test.each(['abc', '99999', '0', '5432x', '1,abc'])('PGPORT=%s', (port) => {
    vi.stubEnv('PGPORT', port);
    const message = `\`PGPORT\` to be a port, a number from 1 to 65535, got "${port}"`;
    expect(refusal({})).toContain(message);
    expect(refusal({ connectionString: url })).toContain(message);
    expect(refusal({ connection: { host: 'h', port: 1 } })).toBe('accepted');
    expect(refusal({ connectionString: 'postgres://bot@host:1/db' })).toBe('accepted');
  });

  test.each(['abc', 99_999, 0, -1, Number.NaN])('connection.port %s', (port) => {
    expect(refusal({ connection: { port } })).toMatch(/^Expected `connection.port` to be a port/);
  });

  test.each(['host:99999', 'host:0', 'h1:1,h2:x'])('in the address %s', (place) => {
    const message = 'a port that is not a number from 1 to 65535';
    expect(refusal({ connectionString: `postgres://bot@${place}/db` })).toContain(message);
    expect(refusal({ connectionString: `${url}?port=99999` })).toContain(message);
  });
});

describe('an address that was lost', () => {
  test.each([{}, { connection: undefined }, { connection: { ssl: true } }])(
    'is refused beside %j',
    (options) => {
      expect(refusal({ connectionString: undefined, ...options })).toContain('DATABASE_URL unset?');
    },
  );

  test('is made up for by the PG* variables, by `connection`, or was never asked for', () => {
    expect(refusal({})).toBe('accepted');
    expect(refusal({ connectionString: undefined, connection: { host: 'h' } })).toBe('accepted');
    vi.stubEnv('PGHOST', '');
    expect(refusal({ connectionString: undefined })).toContain('DATABASE_URL unset?');
    vi.stubEnv('PGHOST', 'h');
    expect(refusal({ connectionString: undefined })).toBe('accepted');
  });
});

test.each([
  'postgres://postgres:sEcr@eT/wOrd#rEst@host/db',
  'postgres://postgres:sEcr@eT@host/db',
  'postgres://postgres:sEcr/eT@host/db',
  'postgres://postgres:sEcr#eT@host/db',
  'postgres://postgres:sEcr?eT@host/db',
  'postgres://postgres:5432?sEcr=eT@host/db',
  'postgres://postgres:5432/sEcr?eT@host/db',
])('a password that is not encoded is told of, and no part of it told: %s', (connectionString) => {
  const message = refusal({ connectionString });
  expect(message).toContain('Percent-encode what is special in user and password');
  expect(message).not.toMatch(/sEcr|eT|wOrd|rEst/);
});
