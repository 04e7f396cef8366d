/** What this machine shows of its processes: /proc on Linux, else `ps`. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';

export interface Facts {
  readonly pid: number;
  readonly group: number;
  readonly isZombie: boolean;
  /** Started at, in whatever unit the platform has: tells a process from a later one of its number. */
  readonly started: string;
}

const hasProc = process.platform === 'linux';

/** What is known under this pid, a zombie included. Throws where it cannot tell. */
export function look(pid: number): Facts | undefined {
  if (!hasProc) return fromPs(['-p', String(pid)])[0];
  if (seesWhom() === 'strangers') throw new Error('/proc is that of another pid namespace');
  return fromProc(pid);
}

export interface Picture {
  readonly everybody: readonly Facts[];
  /** Somebody who was listed had gone, or could not be looked at. */
  readonly isBlurred: boolean;
}

/**
 * One look at everybody: at one after the other, while they go on living.
 *
 * @param strangers Whoever is known not to matter may go.
 */
export function picture(strangers: ReadonlySet<number>): Picture {
  let isBlurred = seesWhom() !== 'everybody';
  const tell = (pid: number): Facts[] => {
    try {
      const facts = fromProc(pid);
      if (facts !== undefined) return [facts];
    } catch {}
    isBlurred ||= !strangers.has(pid);
    return [];
  };
  try {
    const everybody = hasProc ? pidsInProc().flatMap(tell) : fromPs(['-A']);
    return { everybody, isBlurred };
  } catch {
    return { everybody: [], isBlurred: true };
  }
}

/** `some`: those of other users may be hidden (hidepid, as under systemd's ProtectProc). */
type Seen = 'everybody' | 'some' | 'strangers';

let seen: Seen | undefined;

function seesWhom(): Seen {
  if (!hasProc) return 'everybody';
  try {
    seen ??= whomProcShows();
    return seen;
  } catch {
    return 'some';
  }
}

function whomProcShows(): Seen {
  if (readlinkSync('/proc/self') !== String(process.pid)) return 'strangers';
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  const [, hidden] = / \/proc .* - proc .*\bhidepid=(\w+)/.exec(mounts) ?? [];
  return hidden === undefined || ['0', 'off'].includes(hidden) ? 'everybody' : 'some';
}

const pidsInProc = (): readonly number[] =>
  readdirSync('/proc').map(Number).filter(Number.isInteger);

// Read into one buffer: a look at everybody stands between a crash and the successor.
const stat = Buffer.alloc(1024);

function fromProc(pid: number): Facts | undefined {
  const text = readStat(pid);
  // The name, in parentheses, may hold anything; after it: state, parent, group, …
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ') ?? [];
  const [state, , group] = fields;
  if (state === undefined || state === 'X') return undefined;
  // A main thread that has left is a zombie while the other threads of its process work on.
  const isZombie = state === 'Z' && Number(fields[17]) <= 1;
  return { pid, group: Number(group), isZombie, started: fields[19] ?? '' };
}

function readStat(pid: number): string | undefined {
  let file: number | undefined;
  try {
    file = openSync(`/proc/${pid}/stat`, 'r');
    return stat.toString('latin1', 0, readSync(file, stat, 0, stat.length, 0));
  } catch (error) {
    // Anything else (too many open files, say) is no news of the process.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function fromPs(which: readonly string[]): readonly Facts[] {
  const columns = 'pid=,pgid=,stat=,lstart=';
  let table: string;
  try {
    table = execFileSync('ps', [...which, '-o', columns], { encoding: 'utf8' });
  } catch (error) {
    if ((error as { status?: unknown }).status === 1) return []; // nobody has the pid
    throw error;
  }
  return table.split('\n').flatMap((line) => {
    const [, pid, group, state, started] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    if (pid === undefined || state === undefined) return [];
    const isZombie = state.startsWith('Z');
    return [{ pid: Number(pid), group: Number(group), isZombie, started: started ?? '' }];
  });
}
