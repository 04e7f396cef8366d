import { execFile } from 'node:child_process';
import { readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { promisify } from 'node:util';

interface ProcessRow {
  readonly pid: number;
  readonly parent: number;
  readonly isZombie: boolean;
  /** Tells two processes apart that had the same pid one after the other. */
  readonly startedAt: string;
}

/**
 * Names a living process for good, which its pid alone does not: pids are reused. Undefined when
 * there is none; a zombie counts as none, because whoever should reap it may take its time.
 */
export async function processIdentity(pid: number): Promise<string | undefined> {
  const row = await readProcess(pid);
  if (row === undefined || row.isZombie) return undefined;
  return `${pid} ${row.startedAt}`;
}

/** Whether the process that was named by `processIdentity` still lives. */
export async function isAlive(identity: string): Promise<boolean> {
  return identity !== '' && (await processIdentity(Number.parseInt(identity, 10))) === identity;
}

/** Whether this process is a server of this data: a postmaster's working folder is its data. */
export async function servesData(pid: number, dataDirectory: string): Promise<boolean> {
  if (readsProc) {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
    return cwd !== undefined && cwd === (await realpath(dataDirectory));
  }
  const command = await ps(['-p', `${pid}`, '-o', 'args=']);
  return command.includes(dataDirectory);
}

/** The processes below `pid`, nearest first. */
export async function descendants(pid: number): Promise<number[]> {
  const rows = await readProcesses();
  const found = [pid];
  for (const parent of found) {
    found.push(...rows.filter((row) => row.parent === parent).map((row) => row.pid));
  }
  return found.slice(1);
}

const readsProc = process.platform === 'linux';

async function readProcess(pid: number): Promise<ProcessRow | undefined> {
  return readsProc ? readStat(pid) : (await readPs(['-p', `${pid}`]))[0];
}

async function readProcesses(): Promise<ProcessRow[]> {
  if (!readsProc) return readPs(['-A']);
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
  return (await Promise.all(pids.map(readStat))).filter((row) => row !== undefined);
}

async function readStat(pid: number): Promise<ProcessRow | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return undefined;
  // The command's name sits in brackets and may itself hold spaces and brackets.
  const [state, parent, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  const startedAt = `${rest[17]} ${boot.trim()}`;
  return { pid, parent: Number(parent), isZombie: state === 'Z' || state === 'X', startedAt };
}

async function readPs(selection: readonly string[]): Promise<ProcessRow[]> {
  const stdout = await ps([...selection, '-o', 'pid=,ppid=,stat=,lstart=']);
  const rows = stdout.split('\n').filter((line) => line.trim() !== '');
  return rows.map((line) => {
    const [pid, parent, state = '', ...startedAt] = line.trim().split(/\s+/);
    return {
      pid: Number(pid),
      parent: Number(parent),
      isZombie: state.startsWith('Z'),
      startedAt: startedAt.join(' '),
    };
  });
}

async function ps(args: readonly string[]): Promise<string> {
  return promisify(execFile)('ps', args).then(
    ({ stdout }) => stdout,
    () => '',
  );
}
