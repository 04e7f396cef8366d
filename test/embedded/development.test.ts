import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDevelopmentDatabase } from '../../src/embedded/development.ts';
import { processIdentity } from '../../src/embedded/processes.ts';
import { built } from '../support/built.ts';
import { testBinDir } from '../support/cluster.ts';
import { query } from '../support/database.ts';
import { type TestFolder, temporaryFolder } from '../support/folder.ts';
import { startNode, type TestProcess } from '../support/processes.ts';
import { until } from '../support/wait.ts';

test('data is kept from one run to the next, and flushed to disk', async () => {
  await using home = await developmentHome();
  const first = await home.open();
  expect(await query(first.url, 'SHOW fsync')).toEqual([{ fsync: 'on' }]);
  await query(first.url, 'CREATE TABLE kept AS SELECT 1 AS one');
  await first.close();
  await first.close();
  expect(await home.server()).toBeUndefined();

  const second = await home.open();
  expect(await query(second.url, 'TABLE kept')).toEqual([{ one: 1 }]);
  await second.close();
});

test('the server listens on a unix socket only, where nobody else may look', async () => {
  await using home = await developmentHome();
  const database = await home.open();
  const listening = `SELECT setting FROM pg_settings WHERE name = 'listen_addresses'`;
  expect(await query(database.url, listening)).toEqual([{ setting: '' }]);
  const socketFolder = new URL(database.url).searchParams.get('host') as string;
  expect((await stat(socketFolder)).mode & 0o777).toBe(0o700);
  await database.close();
});

test('a second process finds the first one’s server, and the last one out stops it', async () => {
  await using home = await developmentHome();
  await using first = home.spawn();
  const { url } = await opened(first);
  const server = await home.server();
  await using second = home.spawn();
  expect(await opened(second)).toMatchObject({ url });
  expect(await home.server()).toBe(server);

  await close(first);
  await query(url, 'SELECT');
  await close(second);
  expect(await home.server()).toBeUndefined();
});

test('processes that start at once for the first time share one server', async () => {
  await using home = await developmentHome();
  await using first = home.spawn();
  await using second = home.spawn();
  await using third = home.spawn();
  const all = [first, second, third];
  const urls = new Set((await Promise.all(all.map(opened))).map(({ url }) => url));
  expect(urls.size).toBe(1);
  await query([...urls][0] as string, 'SELECT');
  await Promise.all(all.map(close));
  expect(await home.server()).toBeUndefined();
});

test('a user that was killed does not keep the server up for ever', async () => {
  await using home = await developmentHome();
  await using killed = home.spawn();
  await opened(killed);
  killed.signal('SIGKILL');
  await killed.exited;
  expect(await home.server()).toBeDefined();

  const next = await home.open();
  await next.close();
  expect(await home.server()).toBeUndefined();
});

test('a process killed amid its turn holds up nobody', async () => {
  await using home = await developmentHome();
  await using killed = home.spawn();
  const turns = () => readdir(join(home.path, 'turns')).catch((): string[] => []);
  await until(async () => (await turns()).includes('1'), { describe: 'it is its turn' });
  killed.signal('SIGKILL');
  await killed.exited;

  const next = await home.open();
  await query(next.url, 'SELECT');
  await next.close();
});

test('a server that was killed is started again', async () => {
  await using home = await developmentHome();
  const first = await home.open();
  await query(first.url, 'CREATE TABLE kept ()');
  const pid = (await home.serverPid()) as number;
  process.kill(pid, 'SIGKILL');
  await until(async () => (await processIdentity(pid)) === undefined); // it dies when it next runs

  const second = await home.open();
  expect(await query(second.url, 'TABLE kept')).toEqual([]);
  await first.close();
  await query(second.url, 'SELECT');
  await second.close();
});

test('a dead server’s pid that now belongs to another process is not taken for a server', async () => {
  await using home = await developmentHome();
  const first = await home.open();
  const pidFile = join(first.dataDirectory, 'postmaster.pid');
  const text = await readFile(pidFile, 'utf8');
  await first.close();
  await writeFile(pidFile, text.replace(/^\d+/, `${process.pid}`));

  const second = await home.open();
  await query(second.url, 'SELECT');
  await second.close();
});

test('a path too long for a socket gets a socket elsewhere', async () => {
  await using home = await developmentHome('x'.repeat(100));
  const database = await home.open();
  await query(database.url, 'SELECT');
  await database.close();
  const left = await readdir(home.temporary);
  expect(left.filter((name) => name.startsWith('lockd-pg-'))).toEqual([]);
});

test('a folder that is not the user’s own is refused', async () => {
  await using folder = await temporaryFolder();
  const elsewhere = join(folder.path, 'elsewhere');
  await mkdir(elsewhere);
  const link = join(folder.path, 'link');
  await symlink(elsewhere, link);
  const opening = openDevelopmentDatabase({ folder: link, binDir: testBinDir });
  await expect(opening).rejects.toThrow(`needs ${link}, but that is not a folder of this user`);
});

test.runIf(process.platform === 'linux')(
  'the server lives in a session of its own, where no Ctrl-C reaches it',
  async () => {
    await using home = await developmentHome();
    await using user = home.spawn();
    const { url } = await opened(user);
    expect(await sessionOf((await home.serverPid()) as number)).not.toBe(await sessionOf(user.pid));
    user.signalGroup('SIGINT');
    await user.exited;
    await query(url, 'SELECT');
  },
);

interface DevelopmentHome extends AsyncDisposable {
  readonly path: string;
  readonly temporary: string;
  open(): ReturnType<typeof openDevelopmentDatabase>;
  spawn(): TestProcess;
  serverPid(): Promise<number | undefined>;
  /** Names the server that runs, for good; undefined when there is none. */
  server(): Promise<string | undefined>;
}

const fixture = new URL('./fixtures/development.js', import.meta.url);

async function developmentHome(name = 'home'): Promise<DevelopmentHome> {
  const folder: TestFolder = await temporaryFolder();
  const path = join(folder.path, name);
  const home: DevelopmentHome = {
    path,
    temporary: folder.path,
    open: () => openDevelopmentDatabase({ folder: path, binDir: testBinDir }),
    spawn() {
      const module = built('embedded/development.js').href;
      return startNode(fixture, [module, path, testBinDir ?? '']);
    },
    async serverPid() {
      const version = (await readdir(path)).find((entry) => /^\d+$/.test(entry));
      const pidFile = join(path, `${version}`, 'data', 'postmaster.pid');
      const text = await readFile(pidFile, 'utf8').catch(() => undefined);
      return text === undefined ? undefined : Number.parseInt(text, 10);
    },
    async server() {
      const pid = await home.serverPid();
      return pid === undefined ? undefined : processIdentity(pid);
    },
    async [Symbol.asyncDispose]() {
      // Whoever was killed left the server to the next user, and here there is none.
      if ((await home.server()) !== undefined) await (await home.open()).close();
      await folder[Symbol.asyncDispose]();
    },
  };
  return home;
}

async function opened(child: TestProcess): Promise<{ url: string; dataDirectory: string }> {
  return JSON.parse(await child.line(/^{/, 30_000));
}

async function close(child: TestProcess): Promise<void> {
  child.closeStdin();
  await child.line(/^closed$/, 20_000);
  expect(await child.exited).toEqual({ code: 0, signal: null });
}

async function sessionOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[3];
}
