import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Binaries, findBinaries, packagedVersion } from './binaries.ts';
import { hasData, initData, makeServerFolder } from './data.ts';
import { disownStaleFiles, type RunningServer, runningServer } from './postmaster-file.ts';
import { socketPath } from './urls.ts';
import { runAs, type ServerUser, temporaryFolder } from './user.ts';

const deadlineMs = 60_000;
const pollMs = 50;
const port = 5432;
const longestSocketPath = 107;

/** What there is once per major version of PostgreSQL, as one cannot read another's data. */
export interface Home {
  readonly binaries: Binaries;
  readonly user: ServerUser;
  readonly dataDirectory: string;
  readonly users: string;
}

/** Everything in this file is done by one process at a time: callers take turns. */
export async function openHome(
  folder: string,
  user: ServerUser,
  binDir: string | undefined,
): Promise<Home> {
  const copyTo = join(folder, binDir === undefined ? `native-${packagedVersion()}` : 'native');
  const binaries = await findBinaries({ user, copyTo, binDir });
  const major = /\d+/.exec(await runAs(user, binaries.postgres, ['--version']))?.[0];
  const versioned = join(folder, `${major}`);
  await mkdir(versioned, { recursive: true });
  await chmod(versioned, user.uid === undefined ? 0o700 : 0o711);
  const dataDirectory = join(versioned, 'data');
  const home = { binaries, user, dataDirectory, users: join(versioned, 'users') };
  if (await hasData(dataDirectory)) return { ...home, user: await ownerOf(dataDirectory, user) };
  await makeData(home);
  return home;
}

/** Which user root has to run PostgreSQL as may have changed since the data was made. */
async function ownerOf(dataDirectory: string, user: ServerUser): Promise<ServerUser> {
  const { uid, gid } = await stat(dataDirectory);
  return user.uid === undefined || uid === 0 ? user : { uid, gid };
}

/** Appears whole or not at all, so that a start cut short is never continued. */
async function makeData({ binaries, user, dataDirectory }: Home): Promise<void> {
  await removeDrafts(dataDirectory);
  const draft = await mkdtemp(`${dataDirectory}-`);
  await makeServerFolder(draft, user);
  await initData({ binaries, user, dataDirectory: draft, isDurable: true });
  await rename(draft, dataDirectory);
}

/** An orphan may still be filling one of them; what stays of it does no harm. */
async function removeDrafts(dataDirectory: string): Promise<void> {
  const folder = dirname(dataDirectory);
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${basename(dataDirectory)}-`)) continue;
    await rm(join(folder, name), { recursive: true, force: true, maxRetries: 5 }).catch(() => {});
  }
}

export async function findOrStart(home: Home): Promise<RunningServer> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const server = await runningServer(home.dataDirectory);
    if (server?.isReady === true) return server;
    // A server that is neither up nor down was left so by somebody who died amid his turn.
    if (server === undefined) await start(home, deadline);
    else if (performance.now() < deadline) await sleep(pollMs);
    else throw new Error(`The development database (pid ${server.pid}) does not become ready.`);
  }
}

/** `pg_ctl` waits until the server is ready, and gives it a session of its own. */
async function start(home: Home, deadline: number): Promise<void> {
  const { binaries, user, dataDirectory } = home;
  const socketFolder = await folderForSocket(home);
  await disownStaleFiles(dataDirectory, socketPath(socketFolder, port));
  const log = join(dataDirectory, 'server.log');
  await rm(log, { force: true });
  const settings = `-p ${port} -k ${quoted(socketFolder)} -c listen_addresses=`;
  try {
    await runAs(user, binaries.pgCtl, [
      ...['start', '-w', '-t', `${deadlineMs / 1000}`],
      ...['-D', dataDirectory, '-l', log, '-o', settings],
    ]);
  } catch (cause) {
    const text = await readFile(log, 'utf8').catch(() => 'It left no log.');
    // Orphans of a server that crashed a moment ago may still be on their way out.
    const willPass = /pre-existing shared memory block/.test(text) && performance.now() < deadline;
    if (!willPass) throw new Error(`The development database does not start.\n${text}`, { cause });
    await sleep(pollMs);
  }
}

/** In the data's folder, which is as closed as need be, unless its path is too long for a socket. */
async function folderForSocket({ dataDirectory, user }: Home): Promise<string> {
  if (Buffer.byteLength(socketPath(dataDirectory, port)) <= longestSocketPath) return dataDirectory;
  const folder = await temporaryFolder(user);
  await makeServerFolder(folder, user);
  return folder;
}

/** `pg_ctl` hands these settings to a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

export async function stopServer({ binaries, user, dataDirectory }: Home): Promise<void> {
  const server = await runningServer(dataDirectory);
  if (server === undefined) return;
  await runAs(user, binaries.pgCtl, [
    ...['stop', '-m', 'fast', '-w', '-t', `${deadlineMs / 1000}`, '-D', dataDirectory],
  ]);
  // Only a folder that was made for the socket is empty now.
  await rmdir(server.socketFolder).catch(() => {});
}
