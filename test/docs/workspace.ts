import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { migrate } from '../../src/index.ts';
import { createDatabase } from '../support/database.ts';
import { TestProcess } from '../support/processes.ts';
import { root } from './pages.ts';
import type { Sample } from './samples.ts';

const compilerOptions = {
  target: 'es2022',
  lib: ['es2023', 'esnext.disposable'],
  module: 'nodenext',
  moduleDetection: 'force',
  types: ['node'],
  strict: true,
  noUnusedLocals: true,
  allowJs: true,
  rootDir: 'src',
  outDir: 'out',
};

const modules = ['pg', 'pino', 'prom-client', '@types'];

/** A sample that does not end has to be ended. */
export const longestMs = 45_000;

/** A project of somebody who has installed lockd, and copied the samples into it. */
export class Workspace implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(samples: readonly Sample[]): Promise<Workspace> {
    const workspace = new Workspace(await mkdtemp(join(tmpdir(), 'lockd-test-')));
    const { write } = workspace;
    await write('package.json', JSON.stringify({ type: 'module' }));
    await write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['src'] }));
    await workspace.#install();
    for (const sample of samples) {
      const isScript = sample.language === 'sh';
      await write(join(isScript ? 'out' : 'src', pathOf(sample)), `${sample.code}\n`);
    }
    return workspace;
  }

  /** What the compiler says of all of them; nothing when they fit the package's types. */
  async compile(): Promise<string> {
    const tsc = join(root, 'node_modules/.bin/tsc');
    return promisify(execFile)(tsc, ['-p', this.#folder, '--pretty', 'false'], {
      cwd: this.#folder,
    }).then(
      () => '',
      ({ stdout, message }) => stdout || message,
    );
  }

  /** Runs it to its end, on a database of its own. Resolves with what it said if it failed. */
  async run(sample: Sample, serverUrl: string): Promise<string | undefined> {
    await using database = await createDatabase(serverUrl);
    await migrate({ connectionString: database.url });
    const path = join(this.#folder, 'out', pathOf(sample).replace(/ts$/, 'js'));
    const [command, ...args] =
      sample.language === 'sh' ? ['sh', '-eu', path] : [process.execPath, path];
    await using child = new TestProcess(command as string, args, {
      cwd: dirname(path),
      env: {
        ...unnamed(),
        PATH: `${join(this.#folder, 'node_modules/.bin')}:${process.env['PATH']}`,
        DATABASE_URL: database.url,
      },
    });
    child.closeStdin();
    const timer = setTimeout(() => child.signalGroup('SIGKILL'), longestMs);
    const { code, signal } = await child.closed;
    clearTimeout(timer);
    if (code === 0) return undefined;
    return [`ended with ${signal ?? code}`, ...child.stdout, ...child.stderr].join('\n');
  }

  readonly write = async (path: string, text: string): Promise<void> => {
    const full = join(this.#folder, path);
    await mkdir(dirname(full), { recursive: true });
    await writeFile(full, text);
  };

  async #install(): Promise<void> {
    await this.write('node_modules/.bin/lockd', `#!/bin/sh\nexec node ${root}bin/lockd.js "$@"\n`);
    await chmod(join(this.#folder, 'node_modules/.bin/lockd'), 0o755);
    await symlink(root, join(this.#folder, 'node_modules/lockd'));
    for (const name of modules) {
      await symlink(join(root, 'node_modules', name), join(this.#folder, 'node_modules', name));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** By its line, so that what a compiler says of it leads back to the page. */
const pathOf = ({ at, folder, language, file }: Sample): string =>
  join(folder, file ?? `line-${at.split(':')[1]}.${language}`);

/** What whoever runs the tests has set must not decide anything. */
const unnamed = (): Record<string, undefined> =>
  Object.fromEntries(
    Object.keys(process.env)
      .filter((name) => /^(PG|LOCKD_|npm_)/.test(name))
      .map((name) => [name, undefined]),
  );
