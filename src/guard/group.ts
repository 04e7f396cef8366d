/** Process groups and proofs of death. A signal 0 proves nothing: a zombie still answers it. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
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
  const facts = look(pid);
  return facts?.isZombie === true ? undefined : facts;
}

const look = (pid: number): Facts | undefined =>
  hasProc ? fromProc(pid) : fromPs(['-p', String(pid)])[0];

/** A process group, told from a later one of the same number by its leader. */
export interface Group {
  readonly id: number;
  readonly started: string | undefined;
}

export const groupOf = (id: number): Group => ({ id, started: factsOf(id)?.started });

/** Everybody in the group that still lives, as far as one look at a moving picture can tell. */
export const membersOf = (group: Group): readonly Facts[] =>
  isStrangers(group) ? [] : newcomers(group, new Set()).filter(({ isZombie }) => !isZombie);

/** The group's members, zombies included, among the processes not yet seen; now they are. */
function newcomers(group: Group, seen: Set<number>): readonly Facts[] {
  const strange = (pid: number): boolean => !seen.has(pid);
  const found = hasProc
    ? pidsInProc().filter(strange).map(fromProc)
    : fromPs(['-A']).filter(({ pid }) => strange(pid));
  for (const facts of found) if (facts !== undefined) seen.add(facts.pid);
  return found.filter((facts): facts is Facts => facts?.group === group.id);
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
 * The kernel knows the group at one stroke, but counts zombies, which may lie for seconds before
 * anybody reaps them. So where it still knows somebody, everybody is looked at.
 *
 * @param exited Resolves when the leader has been reaped, where it is our own child: a reason to look.
 */
export async function groupGone(group: Group, exited?: Promise<unknown>): Promise<void> {
  const leader = factsOf(group.id);
  let living: readonly Facts[] = leader === undefined ? [] : [leader];
  for (let waitMs = 1; isKnown(group); waitMs = Math.min(50, waitMs * 1.3)) {
    // While one of those we know lives there is no need to look at everybody.
    living = living.filter(isAlive);
    if (living.length === 0) {
      const seen = lookAt(group);
      if (seen === 'only zombies') return;
      living = seen;
    }
    const paused = pause(waitMs);
    await (living[0]?.pid === group.id ? Promise.race([paused, exited ?? paused]) : paused);
  }
}

/**
 * One look at everybody proves nothing: who hands on to a child and exits while we read is missed, and
 * so is the child. But a zombie has no more children. So when zombies were all we met, nobody has
 * joined them since, and they lie there still (so whoever did join would lie there, too), it is over.
 */
function lookAt(group: Group): 'only zombies' | readonly Facts[] {
  const seen = new Set<number>();
  const zombies: Facts[] = [];
  for (;;) {
    const met = newcomers(group, seen);
    const living = met.filter(({ isZombie }) => !isZombie);
    if (living.length > 0) return living;
    zombies.push(...met);
    if (met.length > 0) continue;
    const lieStill = zombies.every(({ pid, started }) => look(pid)?.started === started);
    return zombies.length > 0 && lieStill ? 'only zombies' : [];
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

const pidsInProc = (): readonly number[] =>
  readdirSync('/proc').map(Number).filter(Number.isInteger);

// Read into one buffer: a look at everybody stands between a crash and the successor.
const stat = Buffer.alloc(1024);

function fromProc(pid: number): Facts | undefined {
  try {
    const file = openSync(`/proc/${pid}/stat`, 'r');
    const length = readInto(file);
    const text = stat.toString('latin1', 0, length);
    // The name, in parentheses, may hold anything; after it: state, parent, group, …
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const [state, , group] = fields;
    if (state === undefined || state === 'X') return undefined;
    // A main thread that has left is a zombie while the other threads of its process work on.
    const isZombie = state === 'Z' && Number(fields[17]) <= 1;
    return { pid, group: Number(group), isZombie, started: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}

function readInto(file: number): number {
  try {
    return readSync(file, stat, 0, stat.length, 0);
  } finally {
    closeSync(file);
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
