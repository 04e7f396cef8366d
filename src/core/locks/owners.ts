import { AsyncLocalStorage } from 'node:async_hooks';

/** A routine that runs while it holds something. */
interface Routine {
  readonly owner: string;
  /** Whose routine it is: one manager's. */
  readonly of: object;
  readonly around: Routine | undefined;
  /** How often something was asked for within. */
  asked: number;
  isRunning: boolean;
}

const here = new AsyncLocalStorage<Routine | undefined>();

/** From the innermost outwards. What a routine has left behind, timers and listeners, is no part of it. */
function* running(): Generator<Routine> {
  for (let routine = here.getStore(); routine !== undefined; routine = routine.around) {
    if (routine.isRunning) yield routine;
  }
}

/** Of deeper nesting the innermost: what is told with each wait stays small. */
const deepest = 32;

/** What a routine asks for within: whose routines it is part of, from the innermost outwards. */
export interface Inner {
  /** One for each request: branches that run at the same time are not each other. */
  readonly owner: string;
  readonly within: readonly string[];
}

/** For the next request of the routine that runs here, if any. */
export function innerHere(): Inner | undefined {
  let owner: string | undefined;
  const within: string[] = [];
  for (const routine of running()) {
    if (owner === undefined) {
      routine.asked += 1;
      owner = `${routine.owner}/${routine.asked}`;
    }
    if (within.length === deepest) break;
    if (!within.includes(routine.owner)) within.push(routine.owner);
  }
  return owner === undefined ? undefined : { owner, within };
}

/** Whether whoever asks is a routine of this manager, or was called by one. */
export function isRoutineOf(manager: object): boolean {
  for (const { of } of running()) if (of === manager) return true;
  return false;
}

/** Until it has settled. */
export async function asOwner<Result>(
  owner: string,
  of: object,
  work: () => Promise<Result> | Result,
): Promise<Result> {
  const [around] = running();
  const routine: Routine = { owner, of, around, asked: 0, isRunning: true };
  try {
    return await here.run(routine, work);
  } finally {
    routine.isRunning = false;
  }
}

/** Listeners are no part of the routine that has set them off. */
export const asNobody = <Result>(call: () => Result): Result =>
  here.getStore() === undefined ? call() : here.run(undefined, call);
