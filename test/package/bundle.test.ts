import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { version } from '../../src/postgres/version.ts';
import type { Outcome } from '../support/cli.ts';
import { createDatabase, query } from '../support/database.ts';
import { expectNoSessions } from '../support/leaks.ts';
import { finished } from './packed.ts';

const migrations = new URL('../../migrations/', import.meta.url);
const host = fileURLToPath(new URL('bundled/host.js', import.meta.url));
const root = fileURLToPath(new URL('../../', import.meta.url));
// The test runner's own.
const bundler = join(root, 'node_modules/rolldown/bin/cli.mjs');

const kinds: Record<string, { file: string; flags: readonly string[] }> = {
  'an ECMAScript module': { file: 'host.mjs', flags: ['--format', 'esm'] },
  'a CommonJS module': { file: 'host.cjs', flags: ['--format', 'cjs'] },
  // As other bundlers make them: with an `import.meta` that is empty.
  'a CommonJS module that knows no address of its own': {
    file: 'lost.cjs',
    flags: ['--format', 'cjs', '--transform.define', 'import.meta.url:undefined'],
  },
};

let folder: string;

/** The bundles lie as deep as the code of lockd, in a project that has migrations of its own. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockd-bundle-'));
  await mkdir(join(folder, 'migrations'));
  for (const file of await readdir(migrations)) {
    await copyFile(new URL(file, migrations), join(folder, 'migrations', file));
  }
  const decoy = `000${(await readdir(migrations)).length + 1}_decoy.sql`;
  await writeFile(join(folder, 'migrations', decoy), 'create table public.decoy (id integer)');
  await writeFile(join(folder, 'package.json'), JSON.stringify({ version: '99.0.0' }));
  for (const { file, flags } of Object.values(kinds)) {
    const output = join(folder, 'build/out', file);
    const args = [host, '--file', output, '--platform', 'node', '--inlineDynamicImports', ...flags];
    const made = await finished(process.execPath, [bundler, ...args], folder);
    expect(made, made.stderr).toMatchObject({ code: 0 });
  }
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.each(Object.entries(kinds))('in a bundle, %s', (_kind, { file }) => {
  const run = (url: string, ...args: string[]): Promise<Outcome> =>
    finished(process.execPath, [join(folder, 'build/out', file), ...args], folder, {
      DATABASE_URL: url,
    });

  test('a controller migrates and leads, and what lies in a folder of the host is not run', async () => {
    await using database = await createDatabase();
    expect(await run(database.url)).toEqual({
      code: 0,
      stdout: `active ${version}`,
      stderr: '',
    });
    const [found] = await query(database.url, "select to_regclass('public.decoy') as decoy");
    expect(found).toEqual({ decoy: null });
    const applied = await query(database.url, 'select file from lockd.migration order by version');
    expect(applied.map((row) => row['file'])).toEqual((await readdir(migrations)).sort());
    await expectNoSessions(database.url);
  });

  test('`guard: true` is refused with the remedy: a bundler leaves its program behind', async () => {
    await using database = await createDatabase();
    const { code, stdout, stderr } = await run(database.url, 'guarded');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^LOCKD_GUARD: .*Mark `lockd` as external in the bundler/);
    await expectNoSessions(database.url);
  });
});

test('the version in the code is the one of the package', async () => {
  const manifest = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  expect(version).toBe(JSON.parse(manifest).version);
});
