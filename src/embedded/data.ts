import { chmod, chown, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import { superuser } from './urls.ts';
import { runAs, type ServerUser } from './user.ts';

export interface InitOptions {
  readonly binaries: Binaries;
  readonly user: ServerUser;
  readonly dataDirectory: string;
  /** Whether the new files are flushed to disk: a second or two, wasted on data nobody keeps. */
  readonly isDurable: boolean;
}

/** For the server alone. Made by us, because its user may not write to the folder around it. */
export async function makeServerFolder(folder: string, { uid, gid }: ServerUser): Promise<void> {
  await mkdir(folder, { recursive: true });
  if (uid !== undefined && gid !== undefined) await chown(folder, uid, gid);
  await chmod(folder, 0o700);
}

export async function initData(options: InitOptions): Promise<void> {
  const { binaries, user, dataDirectory, isDurable } = options;
  await runAs(user, binaries.initdb, [
    `--pgdata=${dataDirectory}`,
    `--username=${superuser}`,
    '--auth=trust',
    '--encoding=UTF8',
    '--locale=C',
    ...(isDurable ? [] : ['--no-sync']),
  ]);
}

export function hasData(dataDirectory: string): Promise<boolean> {
  return exists(join(dataDirectory, 'PG_VERSION'));
}

/** Whether a server runs on the data, or went without shutting down. */
export function isUnclean(dataDirectory: string): Promise<boolean> {
  return exists(join(dataDirectory, 'postmaster.pid'));
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Copies the data of a stopped primary, and marks the copy as a standby's. */
export async function copyAsStandby(from: string, to: string, user: ServerUser): Promise<void> {
  await runAs(user, 'cp', ['-R', '-p', `${from}/.`, to]);
  await rm(join(to, 'postmaster.opts'), { force: true });
  const signal = join(to, 'standby.signal');
  await writeFile(signal, '');
  if (user.uid !== undefined && user.gid !== undefined) await chown(signal, user.uid, user.gid);
}
