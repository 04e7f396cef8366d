import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Spreads into spawn options; empty when the server runs as whoever we are. */
export interface ServerUser {
  readonly uid?: number;
  readonly gid?: number;
}

/** PostgreSQL refuses to run as root, so root hands it to a user that owns nothing else. */
export async function serverUser(): Promise<ServerUser> {
  if (process.getuid?.() !== 0) return {};
  const entries = (await readFile('/etc/passwd', 'utf8'))
    .split('\n')
    .map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = entries.find(([candidate]) => candidate === name) ?? [];
    if (Number(uid) > 0 && Number(gid) > 0) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error(
    'PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody` to run it as.',
  );
}

/**
 * Runs a command as the server's user. The environment is bare so that no PG* or LANG of ours
 * reaches it, and the folder is `/` because the user may not be allowed into the present one.
 */
export function runAs(user: ServerUser, file: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, commandOptions(user), (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const detail = [stderr.trim(), stdout.trim()].find((text) => text !== '') ?? error.message;
      reject(new Error(`\`${file}\` failed: ${detail}`, { cause: error }));
    });
  });
}

/** What every process of the server is spawned with. */
export function commandOptions(user: ServerUser): ServerUser & {
  cwd: string;
  env: NodeJS.ProcessEnv;
} {
  return { ...user, cwd: '/', env: { PATH: process.env['PATH'], TZ: 'UTC', LC_ALL: 'C' } };
}

export const temporaryPrefix = 'lockd-pg-';

/** A fresh folder that the server's user can enter, on a path short enough for a unix socket. */
export async function temporaryFolder(user: ServerUser): Promise<string> {
  const usable = tmpdir().length <= longestParent && (await canEnter(user, tmpdir()));
  const folder = await mkdtemp(join(usable ? tmpdir() : '/tmp', temporaryPrefix));
  if (user.uid !== undefined) await chmod(folder, 0o755);
  return folder;
}

/** A socket's whole path ends at 107 bytes; ours adds `/lockd-pg-XXXXXX/data/.s.PGSQL.65535`. */
const longestParent = 107 - 40;

export async function canEnter(user: ServerUser, folder: string): Promise<boolean> {
  const enter = ['-c', 'cd -- "$1" && test -x .', 'sh', folder];
  return runAs(user, '/bin/sh', enter).then(
    () => true,
    () => false,
  );
}
