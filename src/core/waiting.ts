import { setMaxListeners } from 'node:events';
import { callable, expect, methods } from './checks.ts';
import type { SingletonLockController } from './controller.ts';
import { deferred } from './deferred.ts';
import { isLockdError, LockdError } from './errors.ts';
import { refuseUnknown } from './known.ts';
import type { Term } from './term.ts';
import type { Work } from './work.ts';

export interface WaitOptions {
  /** Ends the wait: it rejects with the signal's own `reason`. */
  readonly signal?: AbortSignal | undefined;
}

function signalOf(options: WaitOptions): AbortSignal | undefined {
  refuseUnknown(options, { signal: true });
  expect(!('throwIfAborted' in options), 'the signal in an object, `{ signal }`', options);
  const { signal } = options;
  return signal === undefined ? signal : methods('signal', signal, signalMethods);
}

const signalMethods = ['throwIfAborted', 'addEventListener', 'removeEventListener'] as const;

/** Tells those who wait for a term that there will be none, until somebody starts anew. */
export class Prospect {
  #end = beginProspect();

  /** Aborted when the controller has stopped; the next start has another one. */
  get ended(): AbortSignal {
    return this.#end.signal;
  }

  begin(): void {
    if (this.#end.signal.aborted) this.#end = beginProspect();
  }

  end(): void {
    this.#end.abort();
  }
}

function beginProspect(): AbortController {
  const end = new AbortController();
  setMaxListeners(0, end.signal); // every wait for a term listens
  return end;
}

/** Work that waits for a term after its own would wait for itself. */
export const selfWait = (name: string): LockdError =>
  new LockdError(
    'LOCKD_SELF_WAIT',
    `Work of "${name}" waited for the term after its own, which begins when that work has finished. Let it return, and wait outside of it.`,
  );

/** Resolves with the next term that is not `after`. */
export async function nextTerm(
  controller: SingletonLockController,
  work: Work,
  ended: AbortSignal,
  after: Term | undefined,
  options: WaitOptions,
): Promise<Term> {
  const signal = signalOf(options);
  signal?.throwIfAborted();
  const stopped = (): LockdError =>
    new LockdError('LOCKD_STOPPED', `The controller of "${controller.name}" was stopped.`);
  if (ended.aborted) throw stopped();
  const current = controller.term;
  if (current !== undefined && current !== after) return current;
  if (work.isAsking) throw selfWait(controller.name);
  const next = deferred<Term>();
  const refuse = (): void => next.reject(stopped());
  const abort = (): void => next.reject(signal?.reason);
  controller.on('active', next.resolve);
  ended.addEventListener('abort', refuse, { once: true });
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await next.promise;
  } finally {
    controller.off('active', next.resolve);
    ended.removeEventListener('abort', refuse);
    signal?.removeEventListener('abort', abort);
  }
}

export async function* eachTerm(
  controller: SingletonLockController,
  work: Work,
  prospect: Prospect,
  options: WaitOptions,
): AsyncGenerator<Term, void, void> {
  // This one's: a forced stop and a start may come and go while the loop's body still runs.
  const { ended } = prospect;
  try {
    for (let last: Term | undefined; ; ) {
      last = await nextTerm(controller, work, ended, last, options);
      // Counted in the same turn that sees the term alive: its drain cannot have begun without us.
      if (last.signal.aborted) continue;
      const finish = work.begin();
      try {
        yield last;
      } finally {
        finish();
      }
    }
  } catch (error) {
    if (!isLockdError(error) || error.code !== 'LOCKD_STOPPED') throw error;
  }
}

export async function whileActive(
  controller: SingletonLockController,
  work: Work,
  prospect: Prospect,
  routine: (term: Term) => Promise<void> | void,
  options: WaitOptions,
): Promise<void> {
  callable('work', routine);
  const signal = signalOf(options);
  signal?.throwIfAborted();
  const isOurs = controller.state === 'stopped';
  const leave = (): Promise<void> => (isOurs ? controller.stop() : controller.resign());
  const abort = (): void => void leave();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    if (isOurs) await controller.start();
    for await (const term of eachTerm(controller, work, prospect, options)) {
      // It may have ended since it was handed over: nothing begins under a closed gate.
      if (term.signal.aborted) continue;
      await heeding(term, () => work.asPiece(() => routine(term)));
      // Work that is done early has no use for the seat: whoever waits shall have it.
      if (!term.signal.aborted) void controller.resign();
    }
  } catch (error) {
    // A start that was cut short says so; why it was is the better reason.
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
    // Reached with the work finished; what it threw is thrown on when the seat has been let go.
    await leave();
  }
}

/** Runs the routine; throwing because the term was aborted is heeding it, not failing. */
async function heeding(term: Term, routine: () => Promise<void>): Promise<void> {
  try {
    await routine();
  } catch (error) {
    const isHeeding =
      term.signal.aborted &&
      (error === term.signal.reason || (error instanceof Error && error.name === 'AbortError'));
    if (!isHeeding) throw error;
  }
}
