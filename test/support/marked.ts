import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

export interface MarkedProcess {
  readonly pid: number;
  readonly args: string;
}

/** Every living process that has this text in its arguments or its environment; zombies are dead. */
export async function markedProcesses(marker: string): Promise<MarkedProcess[]> {
  return process.platform === 'linux' ? fromProc(marker) : fromPs(marker);
}

async function fromProc(marker: string): Promise<MarkedProcess[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  const found = await Promise.all(
    pids.map(async (pid) => {
      // A zombie has neither; who ends while we read has none any more.
      const [args, environment] = await Promise.all(
        ['cmdline', 'environ'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')),
      );
      if (!`${args}${environment}`.includes(marker)) return [];
      return [{ pid: Number(pid), args: (args ?? '').replaceAll('\0', ' ').trim() }];
    }),
  );
  return found.flat();
}

async function fromPs(marker: string): Promise<MarkedProcess[]> {
  const { stdout } = await promisify(execFile)('ps', ['axeww', '-o', 'pid=,stat=,command='], {
    maxBuffer: 1024 * 1024 * 64,
  });
  return stdout.split('\n').flatMap((line) => {
    const [, pid, state = '', args = ''] = /^\s*(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    if (pid === undefined || state.startsWith('Z') || !args.includes(marker)) return [];
    return [{ pid: Number(pid), args }];
  });
}
