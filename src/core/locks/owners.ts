import { AsyncLocalStorage } from 'node:async_hooks';

/** A routine that runs while it holds something. */
interface Routine {
  readonly owner: string;
  /** Whose routine it is: one manager's. */
  readonly of: object;
  readonly around: Routine | undefined;
  isRunning: boolean;
}

const here = new AsyncLocalStorage<Routine | undefined>();

/** From the innermost outwards. What a routine has left behind, timers and listeners, is no part of it. */
function* running(): Generator<Routine> {
  for (let routine = here.getStore(); routine !== undefined; routine = routine.around) {
    if (routine.isRunning) yield routine;
  }
}

/** Whose routine is running: what it asks for within is asked for by the same owner. */
export function ownerHere(): string | undefined {
  for (const { owner } of running()) return owner;
  return undefined;
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
  const routine: Routine = { owner, of, around, isRunning: true };
  try {
    return await here.run(routine, work);
  } finally {
    routine.isRunning = false;
  }
}

/** Listeners are no part of the routine that has set them off. */
export const asNobody = <Result>(call: () => Result): Result =>
  here.getStore() === undefined ? call() : here.run(undefined, call);
