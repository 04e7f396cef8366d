/** Packages of programs, which npm fetches on first use into a folder under the temporary one. */
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

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const system = process.platform === 'win32' ? 'windows' : process.platform;

const npm = process.env.npm_execpath;
const npmCommand = npm?.endsWith('npm-cli.js') ? [process.execPath, npm] : ['npm'];

/** The unpacked package, which appears whole or not at all. Nothing of it is run at installation. */
export async function fetched(name, version, kept) {
  const cache = await ownFolder(`lockd-${kept}`);
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
  // Some of them write it with a `v`.
  if (found.replace(/^v/, '') !== version)
    throw new Error(`Wanted ${name}@${version}, got ${found}.`);
  return unpacked;
}

/** Others may write to the temporary folder, and what lies here is executed. */
async function ownFolder(name) {
  const { uid } = userInfo();
  const folder = join(tmpdir(), `${name}-${uid}`);
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

/** Resolves with the exit code, or the signal. */
export function run([command, ...args], options) {
  return new Promise((resolve, reject) => {
    spawn(command, args, { stdio: 'inherit', ...options })
      .once('error', reject)
      .once('close', (code, signal) => resolve(code ?? signal));
  });
}

/** The test runner, on these files. */
export const vitest = (files, node = process.execPath) => [
  node,
  join(root, 'node_modules/vitest/vitest.mjs'),
  'run',
  ...files,
];

/** Asks for versions that are there, by the table of packages. Exits where there is one missing. */
export function chosen(wanted, packages, what) {
  const unknown = wanted.filter((version) => !(version in packages));
  if (unknown.length === 0) return wanted;
  const known = Object.keys(packages).join(', ');
  console.error(`There is no ${what} ${unknown.join(', ')} here, but ${known}.`);
  process.exit(64);
}

/** Runs one after the other, then says how each of them ended. */
export async function each(versions, what, play) {
  const results = [];
  for (const version of versions) results.push({ version, code: await play(version) });
  console.log('');
  for (const { version, code } of results) {
    console.log(`${what} ${version}: ${code === 0 ? 'passed' : `failed (${code})`}`);
  }
  process.exitCode = results.some(({ code }) => code !== 0) ? 1 : 0;
}
