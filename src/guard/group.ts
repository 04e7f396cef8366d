/** Process groups and proofs of death. A signal 0 proves nothing: a zombie still answers it. */
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { type Facts, look, picture } from './sight.ts';

/** When it was started, which tells it from a later one of its number; undefined: cannot tell. */
export function startedOf(pid: number): string | undefined {
  try {
    return look(pid)?.started;
  } catch {
    return undefined;
  }
}

/** In doubt it is: a death is seen, never concluded from not seeing. */
export const isAlive = (known: Pick<Facts, 'pid' | 'started'>): boolean =>
  isStill(known, ({ started, isZombie }) => started === known.started && !isZombie);

function isStill({ pid }: Pick<Facts, 'pid'>, so: (facts: Facts) => boolean): boolean {
  try {
    const facts = look(pid);
    return facts !== undefined && so(facts);
  } catch {
    return true;
  }
}

/** A process group, told from a later one of the same number by its leader. */
export interface Group {
  readonly id: number;
  readonly started: string | undefined;
}

export const groupOf = (id: number): Group => ({ id, started: startedOf(id) });

/** While one member is there its number is not given out again: another leader, another group. */
function isStrangers({ id, started }: Group): boolean {
  const leader = startedOf(id);
  return leader !== undefined && started !== undefined && leader !== started;
}

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
 * anybody reaps them. So where it still knows somebody, everybody is looked at. One look proves
 * nothing: who hands on to a child and exits while we read is missed, and so is the child. But what
 * lives when the list is made is listed, and then either alive, or gone, or a new zombie when it is
 * looked at. So it is over when two looks in a row find the same zombies, and nobody gone.
 *
 * @param exited Resolves when the leader has been reaped, where that is for us to do.
 */
export async function groupGone(group: Group, exited?: Promise<unknown>): Promise<void> {
  await exited; // never before its leader; and nobody's zombie is for us to reap from here on
  let living: readonly Facts[] = [];
  let before = '';
  const strangers = new Set<number>();
  for (let waitMs = 1; isKnown(group); waitMs = Math.min(50, waitMs * 1.3)) {
    let isOverPerhaps = false;
    // While one of those we know lives there is no need to look at everybody.
    living = living.filter((member) => isAlive(member) && isIn(group, member));
    if (living.length === 0) {
      const { zombies, ...seen } = lookAt(group, strangers);
      if (zombies !== '' && zombies === before) return;
      isOverPerhaps = zombies !== '' && before === '';
      living = seen.living;
      before = zombies;
    }
    await (isOverPerhaps ? turn() : pause(waitMs));
  }
}

/**
 * Who lives in the group; if nobody does, and the picture is sharp, whose zombies lie there. Others
 * become known strangers: numbers are given out in turn, so they stay strangers while we look.
 */
export function lookAt(
  group: Group,
  strangers: Set<number> = new Set(),
): { living: readonly Facts[]; zombies: string } {
  if (isStrangers(group)) return { living: [], zombies: '' };
  const { everybody, isBlurred } = picture(strangers);
  const members = everybody.filter((facts) => facts.group === group.id);
  for (const { pid } of everybody) strangers.add(pid);
  for (const { pid } of members) strangers.delete(pid);
  const living = members.filter(({ isZombie }) => !isZombie);
  const isClear = living.length === 0 && !isBlurred;
  return { living, zombies: isClear ? members.map(({ pid }) => pid).join() : '' };
}

const isIn = (group: Group, member: Facts): boolean =>
  isStill(member, (facts) => facts.group === group.id);

function isKnown(group: Group): boolean {
  if (isStrangers(group)) return false;
  try {
    return process.kill(-group.id, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
