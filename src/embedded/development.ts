import { chmod, chown, lstat, mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { findOrStart, openHome, stopServer } from './development-server.ts';
import { inTurn } from './turn.ts';
import { socketUrl } from './urls.ts';
import { canEnter, type ServerUser, serverUser } from './user.ts';
import { addUser, hasUsers, removeUser } from './users.ts';

export interface DevelopmentDatabase {
  readonly url: string;
  readonly dataDirectory: string;
  /** The last process to close it stops the server. May be called twice. */
  close(): Promise<void>;
}

export interface DevelopmentOptions {
  /** @default `lockd/development` below XDG_STATE_HOME, else ~/.local/state, else (root) /var/lib */
  readonly folder?: string;
  /** Another PostgreSQL's folder of programs. @default the one of the npm package */
  readonly binDir?: string | undefined;
}

/**
 * The database for who names none: a real PostgreSQL, kept between runs and shared by all
 * processes of this user. It listens on a unix socket only, in a folder nobody else may enter,
 * and lives in a session of its own, where no Ctrl-C reaches it.
 *
 * Finding, starting, counting users and stopping happen in turns: otherwise the last user could
 * stop the server just when the next one has found it running.
 */
export async function openDevelopmentDatabase(
  options: DevelopmentOptions = {},
): Promise<DevelopmentDatabase> {
  const folder = options.folder ?? defaultFolder();
  const user = await serverUser();
  await ownFolder(folder, user);
  const turns = join(folder, 'turns');

  const { home, server, use } = await inTurn(turns, async () => {
    const home = await openHome(folder, user, options.binDir);
    const server = await findOrStart(home);
    return { home, server, use: await addUser(home.users) };
  });

  const leave = () =>
    inTurn(turns, async () => {
      await removeUser(use);
      if (!(await hasUsers(home.users))) await stopServer(home);
    });
  let left: Promise<void> | undefined;
  return {
    url: socketUrl(server.socketFolder, server.port, 'postgres'),
    dataDirectory: home.dataDirectory,
    close() {
      left ??= leave();
      return left;
    },
  };
}

/** Never /tmp or /var/tmp: systems tidy these up, file by file, by age. */
function defaultFolder(): string {
  const named = process.env['XDG_STATE_HOME'] ?? '';
  const own = process.getuid?.() === 0 ? '/var/lib' : join(homedir(), '.local', 'state');
  return join(isAbsolute(named) ? named : own, 'lockd', 'development');
}

/** Root's server runs as another user, who must pass through the folder, and only pass. */
async function ownFolder(folder: string, user: ServerUser): Promise<void> {
  const made = await mkdir(dirname(folder), { recursive: true });
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) {
    throw new Error(
      `The development database needs ${folder}, but that is not a folder of this user's. ` +
        'Remove it, or pass --database-url or set DATABASE_URL.',
    );
  }
  if (user.gid === undefined) return chmod(folder, 0o700);
  await chown(folder, found.uid, user.gid);
  await chmod(folder, 0o710);
  if (made !== undefined) await letOthersPass(made, dirname(folder));
  if (await canEnter(user, folder)) return;
  throw new Error(
    `The development database runs as user ${user.uid}, who may not pass through to ${folder}. ` +
      'Set XDG_STATE_HOME to a folder that others may enter.',
  );
}

/** Every folder from `first` down to `last`: our umask may have closed what we made. */
async function letOthersPass(first: string, last: string): Promise<void> {
  for (let path = last; path.length >= first.length; path = dirname(path)) await chmod(path, 0o755);
}
