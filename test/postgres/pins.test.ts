import { afterAll, beforeAll, expect, test } from 'vitest';
import { settleOptions } from '../../src/core/options.ts';
import { hostsOf } from '../../src/postgres/hosts.ts';
import { controlPins, pin, seatPins, visitPins } from '../../src/postgres/pins.ts';
import { Session } from '../../src/postgres/session.ts';
import { createDatabase, query, type TestDatabase } from '../support/database.ts';

/** Each of these would break a promise, were it left as a role or a database imposes it. */
const imposed = {
  default_transaction_isolation: 'serializable',
  default_transaction_read_only: 'on',
  default_transaction_deferrable: 'on',
  statement_timeout: '3s',
  lock_timeout: '10ms',
  idle_in_transaction_session_timeout: '4s',
  idle_session_timeout: '5s',
  synchronous_commit: 'off',
  client_min_messages: 'error',
  search_path: 'nowhere',
};

const pinned = {
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  statement_timeout: '0',
  lock_timeout: '0',
  synchronous_commit: 'on',
  client_min_messages: 'warning',
  search_path: 'pg_catalog, pg_temp',
};

const { candidate } = settleOptions({ name: 'bot', ttlMs: 9_000 });

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
  const changes = Object.entries(imposed).map(
    ([name, value]) => `alter database ${database.name} set ${name} = '${value}'`,
  );
  await query(database.url, changes.join('; '));
});

afterAll(() => database[Symbol.asyncDispose]());

const open = (): Promise<Session> =>
  Session.open({
    hosts: hostsOf({ connectionString: database.url }),
    applicationName: 'lockd:pins',
    timeoutMs: 5_000,
  });

async function settings(session: Session, names: readonly string[]): Promise<object> {
  const sql = 'select name, current_setting(name) as value from unnest($1::text[]) as name';
  const { rows } = await session.query(sql, [names]);
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

test.each([
  ['seat', seatPins(candidate), { idle_session_timeout: '1800ms' }],
  ['control', controlPins(candidate), { idle_session_timeout: '0' }],
  ['visiting', visitPins, { idle_session_timeout: '0' }],
])('a %s session has its own settings, whatever is imposed on it', async (_, pins, own) => {
  const session = await open();
  expect(await settings(session, Object.keys(imposed))).toEqual(imposed);
  await pin(session, pins);
  const expected = { ...pinned, ...own };
  expect(await settings(session, Object.keys(expected))).toEqual(expected);
  await session.close();
});

test('a vanished client is found within a TTL, and not sooner than its half', async () => {
  const session = await open();
  await pin(session, seatPins(candidate));
  const found = await settings(session, [
    'tcp_keepalives_idle',
    'tcp_keepalives_interval',
    'tcp_keepalives_count',
    'tcp_user_timeout',
  ]);
  // Over a unix socket the server knows of none of these.
  const isTcp = Object.values(found)[0] !== '0';
  const values = Object.values(found).map((value) => Number.parseInt(value, 10));
  const [idle = 0, interval = 0, count = 0] = values;
  if (isTcp) {
    expect(idle + interval * count).toBeGreaterThanOrEqual(9);
    expect(idle + interval * count).toBeLessThanOrEqual(2 * 9);
    expect(found).toMatchObject({ tcp_user_timeout: '9000' });
  }
  await session.close();
});

test('a setting that this server does not know is left out', async () => {
  const session = await open();
  await pin(session, { no_such_setting: '1', lock_timeout: '7' });
  expect(await settings(session, ['lock_timeout'])).toEqual({ lock_timeout: '7ms' });
  await session.close();
});
