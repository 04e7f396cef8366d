import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, processIdentity } from './processes.ts';

const waitDeadlineMs = 120_000;
const pollMs = 20;
/** More than one, so that whoever lists the folder amid a change still sees a late turn. */
const keptTurns = 8;
const over = 'over';

/**
 * Runs `work` while no other process does the same in this folder, and survives that any of them
 * dies at any point.
 *
 * Turns are numbered files. A turn belongs to whoever linked its file into place, which only one
 * can, and it lasts until its owner marks it as over or dies. The next turn may be taken then.
 * The latest turn is never deleted, so unlike a single lock file that is broken when stale, no
 * slow process can ever delete or take what has meanwhile become somebody else's.
 */
export async function inTurn<T>(folder: string, work: () => Promise<T>): Promise<T> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const turn = await takeTurn(folder);
  try {
    return await work();
  } finally {
    await publish(folder, over, (draft) => rename(draft, join(folder, `${turn}`)));
  }
}

async function takeTurn(folder: string): Promise<number> {
  const deadline = performance.now() + waitDeadlineMs;
  for (;;) {
    const latest = await latestTurn(folder);
    const holder = await holderOf(folder, latest);
    if (holder === undefined) {
      const turn = latest + 1;
      if (await claim(folder, turn)) return turn;
    } else if (performance.now() > deadline) {
      throw new Error(
        `Process ${holder.split(' ')[0]} has held ${folder} for too long; is it suspended?`,
      );
    } else {
      await sleep(pollMs);
    }
  }
}

async function latestTurn(folder: string): Promise<number> {
  const turns = (await readdir(folder)).map(Number).filter(Number.isInteger);
  return Math.max(0, ...turns);
}

async function holderOf(folder: string, turn: number): Promise<string | undefined> {
  const holder = await readFile(join(folder, `${turn}`), 'utf8').catch(() => over);
  return holder !== over && (await isAlive(holder)) ? holder : undefined;
}

async function claim(folder: string, turn: number): Promise<boolean> {
  const path = join(folder, `${turn}`);
  const me = await processIdentity(process.pid);
  if (me === undefined) throw new Error('This process is not in the list of processes.');
  try {
    await publish(folder, me, (draft) => link(draft, path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  // We may have slept since we looked: others then had turns, and ours is long past.
  if ((await latestTurn(folder)) > turn) {
    await rm(path, { force: true });
    return false;
  }
  await rm(join(folder, `${turn - keptTurns}`), { force: true });
  return true;
}

/** Turns appear with their whole content, or a reader might take a half-written one for stale. */
async function publish(
  folder: string,
  content: string,
  putInPlace: (draft: string) => Promise<void>,
): Promise<void> {
  const draft = join(folder, `draft-${randomUUID()}`);
  await writeFile(draft, content);
  try {
    await putInPlace(draft);
  } finally {
    await rm(draft, { force: true });
  }
}
