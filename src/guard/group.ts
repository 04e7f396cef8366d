/** Process groups and proofs of death. A signal 0 proves nothing: a zombie still answers it. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

interface Facts {
  readonly pid: number;
  readonly group: number;
  /** Started at, in whatever unit the platform has: tells a process from a later one of its number. */
  readonly started: string;
}

const hasProc = process.platform === 'linux';

/** What lives under this pid; undefined when nothing does, or only a zombie. */
export function factsOf(pid: number): Facts | undefined {
  return hasProc ? fromProc(pid) : fromPs(['-p', String(pid)])[0];
}

/** A process group, told from a later one of the same number by its leader. */
export interface Group {
  readonly id: number;
  readonly started: string | undefined;
}

export const groupOf = (id: number): Group => ({ id, started: factsOf(id)?.started });

/** Everybody in the group that still lives. */
export function membersOf({ id, started }: Group): readonly Facts[] {
  const everybody = hasProc
    ? readdirSync('/proc')
        .filter((entry) => /^\d+$/.test(entry))
        .map((entry) => fromProc(Number(entry)))
    : fromPs(['-A']);
  const members = everybody.filter((facts): facts is Facts => facts?.group === id);
  // While one member lives its number is not given out again: another leader means another group.
  const leader = members.find(({ pid }) => pid === id);
  return leader === undefined || leader.started === started ? members : [];
}

export const isAlive = ({ pid, started }: Pick<Facts, 'pid' | 'started'>): boolean =>
  factsOf(pid)?.started === started;

/** Signals the whole group. A group that is gone already is no error. */
export function signalGroup(group: Group, signal: NodeJS.Signals): void {
  if (membersOf(group).length > 0) signalProcess(-group.id, signal);
}

/** Asks the group to end. One that was stopped is woken, or it would never hear. */
export function askGroup(group: Group, signal: NodeJS.Signals): void {
  signalGroup(group, signal);
  signalGroup(group, 'SIGCONT');
}

/** The same for all but the leader, whom the kernel has told already. */
export function askFollowers(group: Group, signal: NodeJS.Signals): void {
  for (const { pid } of membersOf(group)) if (pid !== group.id) signalProcess(pid, signal);
  signalGroup(group, 'SIGCONT');
}

export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Resolves when no member of the group is left but zombies. Nobody tells about strangers' deaths. */
export async function groupGone(group: Group): Promise<void> {
  let waitMs = 1;
  for (let members = membersOf(group); members.length > 0; ) {
    members = members.filter(isAlive);
    // The known ones are gone; only a new look at everybody shows whom they have left behind.
    if (members.length === 0) members = membersOf(group);
    if (members.length === 0) return;
    await pause(waitMs);
    waitMs = Math.min(50, waitMs * 1.3);
  }
}

function fromProc(pid: number): Facts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name, in parentheses, may hold anything; after it: state, parent, group, …
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, , group] = fields;
    if (state === undefined || state === 'Z' || state === 'X') return undefined;
    return { pid, group: Number(group), started: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}

function fromPs(which: readonly string[]): readonly Facts[] {
  let table: string;
  try {
    table = execFileSync('ps', [...which, '-o', 'pid=,pgid=,stat=,lstart='], { encoding: 'utf8' });
  } catch {
    return []; // `ps -p` fails when nobody has the pid
  }
  return table.split('\n').flatMap((line) => {
    const [, pid, group, state, started] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    if (pid === undefined || state === undefined || state.startsWith('Z')) return [];
    return [{ pid: Number(pid), group: Number(group), started: started ?? '' }];
  });
}
