/** Process groups and proofs of death. A signal 0 proves nothing: a zombie still answers it. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

interface Facts {
  readonly pid: number;
  readonly group: number;
  readonly isZombie: boolean;
  /** Started at, in whatever unit the platform has: tells a process from a later one of its number. */
  readonly started: string;
}

const hasProc = process.platform === 'linux';

/** What lives under this pid; undefined when nothing does, or only a zombie. */
export function factsOf(pid: number): Facts | undefined {
  const facts = hasProc ? fromProc(pid) : fromPs(['-p', String(pid)])[0];
  return facts?.isZombie === true ? undefined : facts;
}

/** A process group, told from a later one of the same number by its leader. */
export interface Group {
  readonly id: number;
  readonly started: string | undefined;
}

export const groupOf = (id: number): Group => ({ id, started: factsOf(id)?.started });

/** Everybody in the group that still lives. */
export const membersOf = (group: Group): readonly Facts[] =>
  lookAt(group).filter(({ isZombie }) => !isZombie);

/** Everybody in the group, zombies included, as far as one look at a moving picture can tell. */
function lookAt(group: Group): readonly Facts[] {
  if (isStrangers(group)) return [];
  const everybody = hasProc
    ? readdirSync('/proc')
        .filter((entry) => /^\d+$/.test(entry))
        .map((entry) => fromProc(Number(entry)))
    : fromPs(['-A']);
  return everybody.filter((facts): facts is Facts => facts?.group === group.id);
}

/** While one member is there its number is not given out again: another leader, another group. */
function isStrangers({ id, started }: Group): boolean {
  const leader = factsOf(id);
  return leader !== undefined && leader.started !== started;
}

export const isAlive = ({ pid, started }: Pick<Facts, 'pid' | 'started'>): boolean =>
  factsOf(pid)?.started === started;

/** Signals the whole group at one stroke. A group that is gone already is no error. */
export function signalGroup(group: Group, signal: NodeJS.Signals): void {
  if (!isStrangers(group)) signalProcess(-group.id, signal);
}

/** Asks the group to end. One that was stopped is woken, or it would never hear. */
export function askGroup(group: Group, signal: NodeJS.Signals): void {
  signalGroup(group, signal);
  signalGroup(group, 'SIGCONT');
}

/** Whoever may not be signalled stays: that nobody is left is seen, never concluded from a signal. */
function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}

/**
 * Resolves when no member of the group is left but zombies. Nobody tells about strangers' deaths.
 *
 * A look that finds nobody proves nothing: who hands on to a child and exits while we read is missed,
 * and so is the child. The kernel knows the group at one stroke, but counts zombies. So it is gone
 * when the kernel knows nobody, or when two looks in a row find the same zombies and nobody else.
 */
export async function groupGone(group: Group): Promise<void> {
  const leader = factsOf(group.id);
  let members: readonly Facts[] = leader === undefined ? [] : [leader];
  let zombies = '';
  for (let waitMs = 1; isKnown(group); waitMs = Math.min(50, waitMs * 1.3)) {
    // While one of those we know lives there is no need to look at everybody.
    members = members.filter(isAlive);
    if (members.length === 0) {
      const seen = lookAt(group);
      members = seen.filter(({ isZombie }) => !isZombie);
      const dead = members.length > 0 ? '' : seen.map(({ pid }) => pid).join();
      if (dead !== '' && dead === zombies) return;
      zombies = dead;
    }
    await pause(waitMs);
  }
}

function isKnown(group: Group): boolean {
  if (isStrangers(group)) return false;
  try {
    return process.kill(-group.id, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

function fromProc(pid: number): Facts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name, in parentheses, may hold anything; after it: state, parent, group, …
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, , group] = fields;
    if (state === undefined || state === 'X') return undefined;
    // A main thread that has left is a zombie while the other threads of its process work on.
    const isZombie = state === 'Z' && Number(fields[17]) <= 1;
    return { pid, group: Number(group), isZombie, started: fields[19] ?? '' };
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
    if (pid === undefined || state === undefined) return [];
    const isZombie = state.startsWith('Z');
    return [{ pid: Number(pid), group: Number(group), isZombie, started: started ?? '' }];
  });
}
