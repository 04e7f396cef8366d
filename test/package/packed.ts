import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Outcome, unnamed } from '../support/cli.ts';
import { TestProcess } from '../support/processes.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What git would not have, either. */
const notCopied = ['.git', 'node_modules', 'dist', 'coverage'];
const recursively = { recursive: true };

interface Folder extends AsyncDisposable {
  readonly path: string;
}

export interface Packed extends Folder {
  readonly tarball: string;
}

/**
 * What `npm publish` would send. A copy of the tree is built and packed: whatever other builds have
 * left in ours is not in it, and nobody's `dist` changes under him.
 */
export async function pack(): Promise<Packed> {
  return inFolder(async (path) => {
    const tree = join(path, 'tree');
    for (const name of await readdir(root)) {
      if (!notCopied.includes(name)) await cp(join(root, name), join(tree, name), recursively);
    }
    await symlink(join(root, 'node_modules'), join(tree, 'node_modules'));
    await succeeds('npm', ['pack', '--pack-destination', path], tree);
    const [name] = (await readdir(path)).filter((file) => file.endsWith('.tgz'));
    return { tarball: join(path, name as string) };
  });
}

export interface Project extends Folder {
  /** Where the package lies in it. */
  readonly installed: string;
}

/**
 * A stranger's project: the packed lockd, the types of Node, and nothing else. What lockd needs comes
 * in the versions of our lock file: no release of others decides, and npm's cache has them all.
 */
export async function install({ tarball }: Packed): Promise<Project> {
  return inFolder(async (path) => {
    const wanted = await lockedVersions();
    const dependencies = { lockd: `file:${tarball}`, '@types/node': wanted['@types/node'] };
    const overrides = { ...wanted, '@types/node': '$@types/node' };
    const manifest = JSON.stringify({ private: true, dependencies, overrides });
    await writeFile(join(path, 'package.json'), manifest);
    const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--no-package-lock'];
    await succeeds('npm', ['install', ...flags], path);
    return { installed: join(path, 'node_modules/lockd') };
  });
}

/** Of everything that is not only for development. */
async function lockedVersions(): Promise<Record<string, string>> {
  const { packages } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));
  const entries = Object.entries(packages as Record<string, { dev?: boolean; version: string }>);
  return Object.fromEntries(
    entries
      .filter(([path, { dev }]) => path !== '' && dev !== true)
      .map(([path, { version }]) => [path.replace(/^.*node_modules\//, ''), version]),
  );
}

/** To its end, with the Node that runs the tests first on the path, and no database named. */
export async function finished(
  command: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  await using child = new TestProcess(command, args, {
    cwd,
    env: { ...unnamed(), ...ownNode(), ...env },
  });
  child.closeStdin();
  const { code } = await child.closed;
  return { code, stdout: child.stdout.join('\n'), stderr: child.stderr.join('\n') };
}

async function succeeds(command: string, args: readonly string[], cwd: string): Promise<void> {
  const { code, stdout, stderr } = await finished(command, args, cwd);
  if (code === 0) return;
  throw new Error(`${command} ${args.join(' ')} exited with ${code}:\n${stdout}\n${stderr}`);
}

export function ownNode(): Record<string, string> {
  return { PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}` };
}

/** A temporary one, which goes when what was made in it is disposed of, or could not be made. */
async function inFolder<Made>(make: (path: string) => Promise<Made>): Promise<Made & Folder> {
  const path = await mkdtemp(join(tmpdir(), 'lockd-package-'));
  const remove = () => rm(path, { recursive: true, force: true, maxRetries: 5 });
  try {
    return { ...(await make(path)), path, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
