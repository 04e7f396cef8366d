import { describe, expect, test, vi } from 'vitest';
import { type LockdErrorCode, SingletonLockController } from '../../src/index.ts';
import { grantScript } from '../../src/postgres/grants.ts';
import { createDatabase, query } from '../support/database.ts';
import { type Election, holdElection } from '../support/election.ts';
import { expectNoSessions } from '../support/leaks.ts';
import { startProxy } from '../support/proxy.ts';

/** What somebody gets wrong who has just found lockd; all of it through the public door. */

describe('start() rejects with the value and the remedy, and leaves nothing running:', () => {
  const cases: [string, LockdErrorCode, RegExp, (url: URL) => string][] = [
    [
      'a database that is not there',
      'LOCKD_CONNECTION',
      /database "nowhere" does not exist.*Check user, password and database/,
      (url) => changed(url, { pathname: '/nowhere' }),
    ],
    [
      'a user that is not there',
      'LOCKD_CONNECTION',
      /"nobody".*Check user, password and database/,
      (url) => changed(url, { username: 'nobody' }),
    ],
    ...(
      [
        ['-c no_such_setting=1', 'unrecognized configuration parameter'],
        ['-c work_mem=lots', 'invalid value for parameter'],
        ['-c max_connections=5', 'cannot be changed'],
        ['nonsense', 'invalid command-line argument'],
      ] as const
    ).map(([options, why]): (typeof cases)[number] => [
      `options that the server refuses, ${options}`,
      'LOCKD_INVALID_OPTION',
      new RegExp(`${why}.*Check the settings .*\`options\``),
      (url) => changed(url, { search: `options=${encodeURIComponent(options)}` }),
    ]),
    ['no schema yet', 'LOCKD_SCHEMA_MISSING', /lockd migrate/, (url) => url.href],
  ];
  test.each(cases)('%s (%s)', async (_, code, message, addressOf) => {
    await using database = await createDatabase();
    const connectionString = addressOf(new URL(database.url));
    await using controller = new SingletonLockController({ name: 'led', connectionString });
    await expect(controller.start()).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(controller.state).toBe('stopped');
    await expectNoSessions(database.url);
  });

  test.each([
    ['postgres//localhost/db', /postgres:\/\//],
    ['mysql://localhost/db', /postgres:\/\//],
    ['postgres://localhost:port/db', /./],
    ['localhost:5432/db', /postgres:\/\//],
    [
      'postgres://localhost/db?sslmode=sometimes',
      /`sslmode` to be one of disable.*got "sometimes"/,
    ],
    ['postgres://localhost/db?sslmod=disable', /Did you mean `sslmode`/],
    ['postgres://localhost:99999/db', /a number from 1 to 65535/],
    ['postgres://me:p@ss/word@localhost/db', /Percent-encode/],
  ])('an address like %s is refused before anything is connected', (connectionString, message) => {
    const make = () => new SingletonLockController({ name: 'led', connectionString });
    expect(make).toThrow(message);
    expect(make).toThrow(expect.objectContaining({ code: 'LOCKD_INVALID_OPTION' }));
  });
});

test('an address that is not set is refused, and not made up', () => {
  for (const name of ['PGHOST', 'PGPORT', 'PGDATABASE', 'PGUSER']) vi.stubEnv(name, undefined);
  try {
    const connectionString = process.env['LOCKD_TEST_NEVER_SET'];
    const make = () => new SingletonLockController({ name: 'led', connectionString });
    expect(make).toThrow('DATABASE_URL unset?');
  } finally {
    vi.unstubAllEnvs();
  }
});

describe('start() answers, says what is wrong, and goes on trying until it leads:', () => {
  test('a database that is not up yet', async () => {
    await using election = await holdElection();
    await using proxy = await startProxy(election.url);
    await proxy.refuse();
    const refused = /ECONNREFUSED.*Check host and port/;
    await leadsOnceMended(election, proxy.url(), 'LOCKD_CONNECTION', refused, () => proxy.accept());
  });

  test('a server that has no connection left', async () => {
    await using election = await holdElection();
    await query(election.url, `alter database ${election.database} connection limit 0`);
    await withRole(election, (url) =>
      leadsOnceMended(election, url, 'LOCKD_UNAVAILABLE', /too many connections/, () =>
        query(election.url, `alter database ${election.database} connection limit -1`),
      ),
    );
  });

  test('a role that has no connection left', async () => {
    await using election = await holdElection();
    await withRole(election, async (url, role) => {
      await query(election.url, `alter role ${role} connection limit 0`);
      await leadsOnceMended(
        election,
        url,
        'LOCKD_UNAVAILABLE',
        /too many connections for role/,
        () => query(election.url, `alter role ${role} connection limit -1`),
      );
    });
  });

  test('a host that nobody knows', async () => {
    const connectionString = 'postgres://nobody@no-such-host.invalid/db';
    await using controller = new SingletonLockController({ name: 'led', connectionString });
    const warned = new Promise<Error>((resolve) => controller.once('warning', resolve));
    await controller.start();
    expect(controller.state).toBe('passive');
    expect((await warned).message).toMatch(/no-such-host\.invalid.*Check the name of the host/);
  });
});

async function leadsOnceMended(
  election: Election,
  connectionString: string,
  code: LockdErrorCode,
  message: RegExp,
  mend: () => Promise<unknown>,
): Promise<void> {
  const { controller, story } = await election.standBy('only', { connectionString });
  const warning = await story.next('warning');
  expect(warning).toMatchObject({ code });
  expect(warning.message).toMatch(message);
  expect(controller.isActive()).toBe(false);
  await mend();
  await story.next('active');
  await controller.stop();
}

/** Limits do not bind a superuser. */
async function withRole(
  election: Election,
  use: (url: string, role: string) => Promise<void>,
): Promise<void> {
  const role = `role_${election.database}`;
  await query(election.url, `create role ${role} login password 'secret'; ${grantScript(role)}`);
  try {
    await use(changed(new URL(election.url), { username: role, password: 'secret' }), role);
  } finally {
    await query(election.url, `drop owned by ${role}; drop role ${role}`);
  }
}

const changed = (url: URL, parts: Partial<URL>): string =>
  Object.assign(new URL(url.href), parts).href;
