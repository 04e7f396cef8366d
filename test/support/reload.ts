import { chown, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cluster } from '../../src/embedded/cluster.ts';
import { until } from './wait.ts';

/** Into the data's folder, as the server wants its files: its own, and nobody else's to read. */
export async function writeServerFile(
  { dataDirectory }: Cluster,
  name: string,
  text: string,
): Promise<void> {
  const path = join(dataDirectory, name);
  const { uid, gid } = await stat(dataDirectory);
  await writeFile(path, text, { mode: 0o600 });
  await chown(path, uid, gid);
}

/** Resolves when whoever connects from now on meets what the configuration files say now. */
export async function reload(cluster: Cluster): Promise<void> {
  const reloads = () => cluster.log().split('received SIGHUP').length;
  const before = reloads();
  process.kill(cluster.pid, 'SIGHUP');
  // The postmaster says so first, and lets nobody in until it has read them.
  await until(() => reloads() > before, { describe: 'the server reads its configuration' });
}
