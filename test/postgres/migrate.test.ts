import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { SingletonLockController } from '../../src/index.ts';
import { assertFence } from '../../src/postgres/fence.ts';
import { migrate, readMissing } from '../../src/postgres/migrate.ts';
import { shippedMigrations } from '../../src/postgres/migrations.ts';
import { createDatabase, query } from '../support/database.ts';
import { expectNoSessions } from '../support/leaks.ts';
import { until } from '../support/wait.ts';

const files = shippedMigrations.map(({ file }) => file);

describe('a migration', () => {
  test('applies every file once, though eight start at the same time', async () => {
    await using database = await createDatabase();
    const options = { connectionString: database.url };
    const answers = await Promise.all(Array.from({ length: 8 }, () => migrate(options)));
    expect(answers.flatMap(({ applied }) => applied)).toEqual(files);
    const rows = await query(database.url, 'select version, file from lockd.migration order by 1');
    expect(rows).toEqual(files.map((file, index) => ({ version: index + 1, file })));
    expect(await migrate(options)).toEqual({ applied: [] });
    await expectNoSessions(database.url);
  });

  test('that is only read about changes nothing, and its script is one transaction', async () => {
    await using database = await createDatabase();
    const options = { connectionString: database.url };
    const missing = await readMissing(options);
    expect(missing.files).toEqual(files);
    expect(missing.script).toMatch(/^begin .*commit;$/s);
    expect(await query(database.url, `select to_regnamespace('lockd') as there`)).toEqual([
      { there: null },
    ]);
    await query(database.url, missing.script);
    expect(await readMissing(options)).toEqual({ files: [], script: '' });
    expect(await migrate(options)).toEqual({ applied: [] });
  });

  test('is all or nothing', async () => {
    await using database = await createDatabase();
    await query(database.url, 'create schema lockd create table fence (x int)');
    const options = { connectionString: database.url };
    await expect(migrate(options)).rejects.toThrow('already exists');
    const tables = await query(
      database.url,
      "select tablename from pg_tables where schemaname = 'lockd'",
    );
    expect(tables).toEqual([{ tablename: 'fence' }]);
    await query(database.url, 'drop table lockd.fence');
    expect(await migrate(options)).toEqual({ applied: files });
  });

  test('into a schema of somebody else says whose it is, and so does a controller', async () => {
    await using database = await createDatabase();
    await query(database.url, 'create schema lockd create table migration (id int, name text)');
    const options = { connectionString: database.url };
    const refusal = {
      code: 'LOCKD_INVALID_OPTION',
      isRetryable: false,
      message: expect.stringMatching(/does not exist\. The schema holds .* Give lockd a schema of/),
    };
    await expect(migrate(options)).rejects.toMatchObject(refusal);
    await expect(readMissing(options)).rejects.toMatchObject(refusal);
    const controller = new SingletonLockController({ name: 'bot', ...options });
    await expect(controller.start()).rejects.toMatchObject(refusal);
    await query(database.url, 'drop table lockd.migration; create table lockd.seat (id int)');
    await expect(migrate(options)).rejects.toMatchObject({
      ...refusal,
      message: expect.stringMatching(/already exists\. The schema holds/),
    });
  });

  test('by a role that may not create says what it lacks, which no grant to lead gives', async () => {
    await using database = await createDatabase();
    const role = `role_${new URL(database.url).pathname.slice(1)}`;
    await query(database.url, `create role ${role} login password 'secret'`);
    try {
      const url = Object.assign(new URL(database.url), { username: role, password: 'secret' });
      const migrating = migrate({ connectionString: url.href });
      await expect(migrating).rejects.toMatchObject({
        code: 'LOCKD_PRIVILEGE',
        message: expect.stringMatching(
          /^permission denied for database .*CREATE on the database.*let an owner migrate/,
        ),
      });
      await expect(migrating).rejects.not.toThrow('print-grants');
    } finally {
      await query(database.url, `drop role ${role}`);
    }
  });

  test('goes on from where an earlier version left off', async () => {
    await using database = await createDatabase();
    const [first] = shippedMigrations;
    await query(
      database.url,
      `create schema lockd
         create table migration (version integer primary key, file text not null,
           checksum text not null, applied_at timestamptz not null default clock_timestamp())`,
    );
    await query(database.url, first?.sql as string);
    await query(database.url, 'insert into lockd.migration values (1, $1, $2)', [
      first?.file,
      first?.checksum,
    ]);
    const { applied } = await migrate({ connectionString: database.url });
    expect(applied).toEqual(files.slice(1));
  });

  test('refuses a schema that an edited file was applied to, and names the file', async () => {
    await using database = await createDatabase();
    const options = { connectionString: database.url };
    await migrate(options);
    await query(database.url, "update lockd.migration set checksum = 'x' where version = 2");
    await expect(migrate(options)).rejects.toMatchObject({
      code: 'LOCKD_SCHEMA_EDITED',
      message: expect.stringContaining(files[1] as string),
    });
  });

  test('refuses a schema that is newer, and so does a controller', async () => {
    await using database = await createDatabase();
    const options = { connectionString: database.url };
    await migrate(options);
    await query(database.url, "insert into lockd.migration values (9999, '9999_later.sql', 'x')");
    const refusal = { code: 'LOCKD_SCHEMA_NEWER', isRetryable: false };
    await expect(migrate(options)).rejects.toMatchObject(refusal);
    const controller = new SingletonLockController({ name: 'bot', ...options });
    await expect(controller.start()).rejects.toMatchObject(refusal);
    expect(controller.state).toBe('stopped');
  });

  test('missing, wholly or in part, is what a controller says with the remedy', async () => {
    await using database = await createDatabase();
    const controller = () =>
      new SingletonLockController({ name: 'bot', connectionString: database.url });
    const refusal = {
      code: 'LOCKD_SCHEMA_MISSING',
      message: expect.stringContaining('lockd migrate'),
    };
    await expect(controller().start()).rejects.toMatchObject(refusal);
    await migrate({ connectionString: database.url });
    await query(database.url, 'delete from lockd.migration where version > 1');
    await expect(controller().start()).rejects.toMatchObject(refusal);
    await expectNoSessions(database.url);
  });
});

describe('another schema name', () => {
  const schema = 'lockd_2';

  test('works, with the whole protocol, and nothing is made in "lockd"', async () => {
    await using database = await createDatabase();
    const options = { connectionString: database.url, schema, name: "it's", ttlMs: 2_000 };
    await using one = new SingletonLockController({ ...options, migrate: true });
    await one.start();
    await using two = new SingletonLockController(options);
    await two.start();
    const term = await one.whenActive();
    await until(async () => {
      const [lease] = await query<{ beat: string }>(
        database.url,
        `select beat from ${schema}.lease`,
      );
      return Number(lease?.beat) > 0;
    });
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    try {
      await client.query('begin');
      await assertFence(client, term, { schema });
      await client.query('commit');
      await one.resign();
      const next = await two.whenActive();
      expect(next.token).toBeGreaterThan(term.token);
      await client.query('begin');
      const stale = assertFence(client, term, { schema });
      await expect(stale).rejects.toMatchObject({ code: 'LOCKD_STALE_TOKEN' });
    } finally {
      await client.end();
    }
    const schemas = "select nspname from pg_namespace where nspname like 'lockd%'";
    expect(await query(database.url, schemas)).toEqual([{ nspname: schema }]);
    const mentions = await query(
      database.url,
      `select proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
       where n.nspname = $1 and prosrc like '%lockd.%'`,
      [schema],
    );
    expect(mentions).toEqual([]);
  });

  test.each(['Lockd', 'a b', '1st', '', 'x'.repeat(64), 'a"; drop table x', 'pg_x'])(
    'may not be %j',
    async (name) => {
      await expect(migrate({ schema: name })).rejects.toMatchObject({
        code: 'LOCKD_INVALID_OPTION',
        message: expect.stringMatching(/^Expected `schema` to be .+, got /),
      });
    },
  );
});

test('a session of the host that uses the schema stays as it was: nothing is set for others', async () => {
  await using database = await createDatabase();
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const settings =
    "select name, setting from pg_settings where source not in ('default', 'override')";
  const before = await client.query(settings);
  await migrate({ connectionString: database.url });
  await client.query('begin');
  await client.query("select lockd.enroll('bot')");
  await assertFence(client, { name: 'bot', token: 0n });
  await client.query('commit');
  expect((await client.query(settings)).rows).toEqual(before.rows);
  const locks = "select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()";
  expect((await client.query(locks)).rows).toEqual([]);
  await client.end();
});

describe('the shipped files', () => {
  test('are numbered without a gap', async () => {
    for (const [index, { version, file }] of shippedMigrations.entries()) {
      expect(version).toBe(index + 1);
      expect(file).toMatch(new RegExp(`^${String(version).padStart(4, '0')}_\\w+\\.sql$`));
    }
  });

  test('are in the code, as the folder has them', async () => {
    const folder = new URL('../../migrations/', import.meta.url);
    const entries = (await readdir(folder)).sort().map(async (file) => {
      // A checkout may turn line ends around, which a template does not keep, either.
      const sql = (await readFile(new URL(file, folder), 'utf8')).replaceAll('\r\n', '\n');
      return `  '${file}': \`${sql.replaceAll(/[\\`]|\$(?=\{)/g, '\\$&')}\`,\n`;
    });
    const update = 'npx vitest run test/postgres/migrate.test.ts --update';
    const code = [
      `/** The files of migrations/, for bundles, too. Written by \`${update}\`. */\n`,
      'export const texts: Readonly<Record<string, string>> = {\n',
      ...(await Promise.all(entries)),
      '};\n',
    ].join('');
    const path = '../../src/postgres/migrations-text.ts';
    await expect(code, `${path} is out of date: ${update}`).toMatchFileSnapshot(path);
  });

  test('are known by what they contain', async () => {
    for (const { file, checksum } of shippedMigrations) {
      const url = new URL(`../../migrations/${file}`, import.meta.url);
      const text = (await readFile(url, 'utf8')).replaceAll('\r\n', '\n');
      expect(checksum).toBe(createHash('sha256').update(text).digest('hex'));
    }
  });
});
