import { chmod } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { ExitCode } from '../../src/cli/exit-codes.ts';
import { lockd } from '../support/cli.ts';
import { createDatabase } from '../support/database.ts';
import { temporaryFolder } from '../support/folder.ts';

const nowhere = (database: string): string => `postgres://teller:hunter2@127.0.0.1:1/${database}`;

test('a flag counts more than LOCKD_*, that more than DATABASE_URL, and that more than PG*', async () => {
  const env = {
    PGHOST: '127.0.0.1',
    PGPORT: '1',
    PGUSER: 'teller',
    PGPASSWORD: 'hunter2',
    PGDATABASE: 'of_pg',
    DATABASE_URL: nowhere('of_database_url'),
    LOCKD_DATABASE_URL: nowhere('of_lockd'),
  };
  const flag = ['--database-url', nowhere('of_flag')];
  const told = await Promise.all([
    lockd(['status', ...flag], env),
    lockd(['status'], env),
    lockd(['status'], { ...env, LOCKD_DATABASE_URL: undefined }),
    lockd(['status'], { ...env, LOCKD_DATABASE_URL: undefined, DATABASE_URL: undefined }),
  ]);
  for (const [index, name] of ['of_flag', 'of_lockd', 'of_database_url', 'of_pg'].entries()) {
    const { code, stderr } = told[index] ?? {};
    expect(code).toBe(ExitCode.unknown);
    expect(stderr).toContain(`database "${name}" of user "teller" at 127.0.0.1:1`);
    expect(stderr).toContain('ECONNREFUSED');
  }
});

test('flags count more than variables for everything else, too', async () => {
  await using database = await createDatabase();
  const env = { DATABASE_URL: database.url, LOCKD_SCHEMA: 'by_variable', LOCKD_JSON: '1' };
  const byFlag = await lockd(['migrate', '--schema', 'by_flag'], env);
  expect(JSON.parse(byFlag.stdout).applied).not.toEqual([]);
  const byVariable = await lockd(['migrate'], env);
  expect(JSON.parse(byVariable.stdout).applied).not.toEqual([]);
  const again = await lockd(['migrate'], { ...env, LOCKD_JSON: '0' });
  expect(again.stdout).toMatch(/^nothing to apply/);
});

test.for([
  { why: 'an empty --database-url', args: ['--database-url', ''], env: {} },
  { why: 'an empty LOCKD_DATABASE_URL', args: [], env: { LOCKD_DATABASE_URL: '' } },
  { why: 'an empty DATABASE_URL', args: [], env: { DATABASE_URL: '' } },
  { why: 'a PGSERVICE', args: [], env: { PGSERVICE: 'prod' } },
])('$why is refused by its name instead of leading somewhere else', async ({ why, args, env }) => {
  const { code, stderr } = await lockd(['status', ...args], env);
  expect(code).toBe(ExitCode.usage);
  const name = why.split(' ').at(-1);
  expect(stderr).toMatch(
    new RegExp(`^lockd: (Expected ${name} to .* set and empty|${name} .* service files)`),
  );
});

test.for([
  { verb: 'status', code: ExitCode.unknown },
  { verb: 'resign', code: ExitCode.unknown },
  { verb: 'migrate', code: ExitCode.unavailable },
])('an unreachable database: $verb exits $code', async ({ verb, code }) => {
  const name = verb === 'resign' ? ['bot'] : [];
  const told = await lockd([verb, ...name, '--json', '--database-url', nowhere('x')]);
  expect(told.code).toBe(code);
  expect(JSON.parse(told.stdout)).toMatchObject({
    error: { code: 'LOCKD_CONNECTION', message: expect.stringContaining('ECONNREFUSED') },
  });
});

test('a host by name that refuses on every address still says so', async () => {
  const { stderr } = await lockd(['status', '--database-url', 'postgres://u@localhost:1/x']);
  expect(stderr).toContain('ECONNREFUSED');
});

test.for([
  ['status', '--database-url', 'postgres://teller:hunter2@127.0.0.1:1/x'],
  ['status', '--database-url', 'postgres://teller:hunter2@h:99999/x'],
  ['status', '--database-url', 'postgres://teller:hunter2%@/x'],
  ['status', '--database-url', 'mysql://teller:hunter2@127.0.0.1/x'],
  ['status', '--database-url', 'host=127.0.0.1 user=teller password=hunter2'],
  ['status', '--databse-url=postgres://teller:hunter2@127.0.0.1:1/x'],
  ['status', '--databse-url=postgres://teller:hun@ hunter2@127.0.0.1:1/x'],
  ['status', '--ttl', 'postgres://teller:hunter2@127.0.0.1:1/x'],
  ['postgres://teller:hunter2@127.0.0.1:1/x'],
  ['migrate', '--json', '--log-level', 'debug', '--database-url', 'postgres://t:hunter2@[::1]:1/x'],
  [
    'resign',
    'postgres://teller:hunter2@127.0.0.1:1/x',
    '--database-url',
    'postgres://t@127.0.0.1:1/x',
  ],
])('no password is ever printed: %s', async (args) => {
  const { code, stdout, stderr } = await lockd(args, { PGPASSWORD: 'hunter2' });
  expect(code).not.toBe(0);
  expect(stdout + stderr).not.toBe('');
  expect(stdout + stderr).not.toContain('hunter2');
});

test('a database without the schema is a question without an answer, with the remedy', async () => {
  await using database = await createDatabase();
  const { code, stderr } = await lockd(['status'], { DATABASE_URL: database.url });
  expect(code).toBe(ExitCode.unknown);
  expect(stderr).toContain('lockd migrate');
});

test('where no database is named, one for development is started, migrated and kept', async () => {
  await using folder = await temporaryFolder();
  await chmod(folder.path, 0o755);
  const env = { XDG_STATE_HOME: folder.path };
  const first = await lockd(['migrate', '--json'], env);
  expect(first.stderr).toContain(`development database in ${folder.path}`);
  expect(JSON.parse(first.stdout).applied).not.toEqual([]);
  expect(first.code).toBe(ExitCode.ok);
  const second = await lockd(['migrate', '--json'], env);
  expect(JSON.parse(second.stdout).applied).toEqual([]);
  const status = await lockd(['status', '--json'], env);
  expect(status.code).toBe(ExitCode.nobody);
  expect(JSON.parse(status.stdout)).toEqual({ isLed: false, names: [] });
}, 60_000);
