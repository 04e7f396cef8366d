import { readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { ExitCode } from '../../src/cli/exit-codes.ts';
import { lockd } from '../support/cli.ts';
import { createDatabase, query } from '../support/database.ts';

const files = (await readdir(new URL('../../migrations', import.meta.url))).sort();

test('the first migration names what it applied, the second has nothing to do', async () => {
  await using database = await createDatabase();
  const env = { DATABASE_URL: database.url };
  const first = await lockd(['migrate'], env);
  expect(first).toEqual({
    code: ExitCode.ok,
    stdout: files.map((file) => `applied ${file}`).join('\n'),
    stderr: '',
  });
  const second = await lockd(['migrate'], env);
  expect(second).toMatchObject({ code: ExitCode.ok, stderr: '' });
  expect(second.stdout).toMatch(/^nothing to apply: database "test_/);
  const asJson = await lockd(['migrate', '--json', '--schema', 'other'], env);
  expect(JSON.parse(asJson.stdout)).toEqual({ applied: files });
});

test('a schema of a newer lockd is refused and left alone', async () => {
  await using database = await createDatabase();
  const env = { DATABASE_URL: database.url };
  await lockd(['migrate'], env);
  await query(
    database.url,
    `insert into lockd.migration (version, file, checksum) values (9999, '9999_later.sql', '')`,
  );
  const { code, stderr } = await lockd(['migrate'], env);
  expect(code).toBe(ExitCode.unavailable);
  expect(stderr).toContain('9999_later.sql');
  expect((await lockd(['status'], env)).code).toBe(ExitCode.unknown);
});

test('--check changes nothing, and exits with 1 as long as something is missing', async () => {
  await using database = await createDatabase();
  const env = { DATABASE_URL: database.url };
  const before = await lockd(['migrate', '--check'], env);
  expect(before).toEqual({
    code: ExitCode.nobody,
    stdout: files.map((file) => `missing ${file}`).join('\n'),
    stderr: '',
  });
  const asJson = await lockd(['migrate', '--check', '--json'], env);
  expect({ code: asJson.code, told: JSON.parse(asJson.stdout) }).toEqual({
    code: ExitCode.nobody,
    told: { missing: files },
  });
  expect(await query(database.url, `select to_regnamespace('lockd')::text as there`)).toEqual([
    { there: null },
  ]);
  await lockd(['migrate'], env);
  const after = await lockd(['migrate', '--check'], env);
  expect(after).toMatchObject({ code: ExitCode.ok, stderr: '' });
  expect(after.stdout).toMatch(/^nothing to apply: database "test_/);
});

test('what --print prints is the migration, by hand', async () => {
  await using database = await createDatabase();
  const env = { DATABASE_URL: database.url };
  const { code, stdout } = await lockd(['migrate', '--print', '--schema', 'jobs'], env);
  expect(code).toBe(ExitCode.ok);
  await query(database.url, stdout);
  expect((await lockd(['migrate', '--check', '--schema', 'jobs'], env)).code).toBe(ExitCode.ok);
  await lockd(['migrate'], env);
  expect(await shapeOf(database.url, 'jobs')).toEqual(await shapeOf(database.url, 'lockd'));
  const rest = await lockd(['migrate', '--print', '--schema', 'jobs'], env);
  expect(rest.stdout).toMatch(/^-- nothing to apply/);
  // An old script that is run again is refused whole.
  await expect(query(database.url, stdout)).rejects.toMatchObject({ code: '42P07' });
});

test('grants are printed without a database, for a role that can be one', async () => {
  const { code, stdout, stderr } = await lockd(['migrate', '--print-grants', 'bo"t; --']);
  expect({ code, stderr }).toEqual({ code: ExitCode.ok, stderr: '' });
  expect(stdout).toContain('grant insert, delete on "lockd".lock to "bo""t; --";');
  for (const role of ['', 'x'.repeat(64), 'b\u001b[2Jt']) {
    expect(await lockd(['migrate', '--print-grants', role])).toMatchObject({
      code: ExitCode.usage,
      stdout: '',
      stderr: expect.stringContaining('a role of 1 to 63 bytes'),
    });
  }
  const both = await lockd(['migrate', '--print', '--check']);
  expect(both).toMatchObject({ code: ExitCode.usage, stdout: '' });
});

/** Every column and every function of a schema. */
const shapeOf = (url: string, schema: string): Promise<unknown> =>
  query(
    url,
    `select format('%s.%s %s', table_name, column_name, data_type) as part
     from information_schema.columns where table_schema = $1
     union all
     select format('%s(%s) %s', proname,
                   replace(pg_get_function_identity_arguments(oid), $1 || '.', ''),
                   md5(replace(prosrc, format('"%s".', $1), '')))
     from pg_proc where pronamespace = $1::regnamespace
     order by part`,
    [schema],
  );
