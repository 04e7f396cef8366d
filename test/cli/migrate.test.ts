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
