import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive, processIdentity } from './processes.ts';

/**
 * Who uses a thing: a folder with a file per use, each of which names its process. A process that
 * dies without a word stops to count. Callers take turns, so no file is read half-written.
 */
export async function addUser(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, randomUUID());
  await writeFile(file, (await processIdentity(process.pid)) ?? '');
  return file;
}

export async function removeUser(file: string): Promise<void> {
  await rm(file, { force: true });
}

export async function hasUsers(folder: string): Promise<boolean> {
  const files = (await readdir(folder)).map((name) => join(folder, name));
  const living = await Promise.all(files.map(isInUse));
  return living.some(Boolean);
}

async function isInUse(file: string): Promise<boolean> {
  if (await isAlive(await readFile(file, 'utf8'))) return true;
  await removeUser(file);
  return false;
}
