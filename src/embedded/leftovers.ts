import { lstat, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runningServer } from './postmaster-file.ts';
import { isAlive, processIdentity } from './processes.ts';

const ownerFile = 'owner';

/** Says in a temporary folder that it is of no use to anybody once this process is gone. */
export async function claimFolder(folder: string): Promise<void> {
  await writeFile(join(folder, ownerFile), (await processIdentity(process.pid)) ?? '');
}

/** Whoever is killed outright cannot tidy up, so the next one does. */
export async function removeLeftovers(parent: string, prefix: string): Promise<void> {
  const names = (await readdir(parent)).filter((name) => name.startsWith(prefix));
  await Promise.all(names.map((name) => removeIfLeft(join(parent, name)).catch(() => {})));
}

async function removeIfLeft(folder: string): Promise<void> {
  if ((await lstat(folder)).uid !== process.getuid?.()) return;
  if (await isAlive(await readFile(join(folder, ownerFile), 'utf8'))) return;
  if ((await runningServer(join(folder, 'data'))) !== undefined) return;
  await rm(folder, { recursive: true });
}
