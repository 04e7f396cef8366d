import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

export interface MarkedProcess {
  readonly pid: number;
  readonly args: string;
}

/** Every living process with all these texts in its arguments or environment; zombies are dead. */
export async function markedProcesses(...marks: readonly string[]): Promise<MarkedProcess[]> {
  const isMarked = (text: string) => marks.every((mark) => text.includes(mark));
  return process.platform === 'linux' ? fromProc(isMarked) : fromPs(isMarked);
}

type IsMarked = (text: string) => boolean;

async function fromProc(isMarked: IsMarked): Promise<MarkedProcess[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  const found = await Promise.all(
    pids.map(async (pid) => {
      // A zombie has neither; who ends while we read has none any more.
      const [args, environment] = await Promise.all(
        ['cmdline', 'environ'].map((file) =>
          readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => ''),
        ),
      );
      if (!isMarked(`${args}\0${environment}`)) return [];
      return [{ pid: Number(pid), args: (args ?? '').replaceAll('\0', ' ').trim() }];
    }),
  );
  return found.flat();
}

async function fromPs(isMarked: IsMarked): Promise<MarkedProcess[]> {
  const { stdout } = await promisify(execFile)('ps', ['axeww', '-o', 'pid=,stat=,command='], {
    maxBuffer: 1024 * 1024 * 64,
  });
  return stdout.split('\n').flatMap((line) => {
    const [, pid, state = '', args = ''] = /^\s*(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    if (pid === undefined || state.startsWith('Z') || !isMarked(args)) return [];
    return [{ pid: Number(pid), args }];
  });
}
