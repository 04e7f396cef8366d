import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { servesData } from './processes.ts';

/** A server that some process started on this data, as it describes itself in postmaster.pid. */
export interface RunningServer {
  readonly pid: number;
  readonly port: number;
  readonly socketFolder: string;
  readonly isReady: boolean;
}

export async function runningServer(dataDirectory: string): Promise<RunningServer | undefined> {
  const text = await read(join(dataDirectory, 'postmaster.pid'));
  const [pid, , , port, socketFolder = '', , , status] = (text ?? '').split('\n');
  if (!(await servesData(Number(pid), dataDirectory))) return undefined;
  const isReady = status?.trim() === 'ready';
  return { pid: Number(pid), port: Number(port), socketFolder, isReady };
}

/**
 * PostgreSQL clears up behind a crashed server, unless the dead server's pid has gone to another
 * process of the user or is not reaped yet. So it is told a pid that nobody can have. The rest of
 * the file stays: by it PostgreSQL finds orphans that still have the data open, and waits.
 */
export async function disownStaleFiles(dataDirectory: string, socket: string): Promise<void> {
  for (const file of [join(dataDirectory, 'postmaster.pid'), `${socket}.lock`]) {
    const text = await read(file);
    if (text !== undefined) await writeFile(file, text.replace(/^\d+/, impossiblePid));
  }
}

const impossiblePid = '99999999';

async function read(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}
