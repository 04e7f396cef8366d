import type { SingletonLockController } from './controller.ts';
import { deferred } from './deferred.ts';
import { isLockdError, LockdError } from './errors.ts';
import { refuseUnknown } from './known.ts';
import type { Term } from './term.ts';
import type { Work } from './work.ts';

export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
}

function signalOf(options: WaitOptions): AbortSignal | undefined {
  refuseUnknown(options, { signal: true });
  return options.signal;
}

/** Resolves with the next term that is not `after`. */
export async function nextTerm(
  controller: SingletonLockController,
  after: Term | undefined,
  options: WaitOptions,
): Promise<Term> {
  const signal = signalOf(options);
  signal?.throwIfAborted();
  const current = controller.term;
  if (current !== undefined && current !== after) return current;
  const next = deferred<Term>();
  const refuse = (): void =>
    next.reject(
      new LockdError('LOCKD_STOPPED', `The controller of "${controller.name}" was stopped.`),
    );
  const abort = (): void => next.reject(signal?.reason);
  controller.on('active', next.resolve).on('stopped', refuse);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await next.promise;
  } finally {
    controller.off('active', next.resolve).off('stopped', refuse);
    signal?.removeEventListener('abort', abort);
  }
}

export async function* eachTerm(
  controller: SingletonLockController,
  work: Work,
  options: WaitOptions,
): AsyncGenerator<Term, void, void> {
  // A forced stop may come and go while the loop's body still runs.
  let isStopped = false;
  const stop = (): void => {
    isStopped = true;
  };
  controller.on('stopped', stop);
  try {
    for (let last: Term | undefined; !isStopped; ) {
      last = await nextTerm(controller, last, options);
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
  } finally {
    controller.off('stopped', stop);
  }
}

export async function whileActive(
  controller: SingletonLockController,
  work: Work,
  routine: (term: Term) => Promise<void> | void,
  options: WaitOptions,
): Promise<void> {
  const signal = signalOf(options);
  signal?.throwIfAborted();
  const isOurs = controller.state === 'stopped';
  const leave = (): Promise<void> => (isOurs ? controller.stop() : controller.resign());
  const abort = (): void => void leave();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    if (isOurs) await controller.start();
    for await (const term of eachTerm(controller, work, options)) {
      // It may have ended since it was handed over: nothing begins under a closed gate.
      if (term.signal.aborted) continue;
      await heeding(term, routine);
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
async function heeding(term: Term, routine: (term: Term) => Promise<void> | void): Promise<void> {
  try {
    await routine(term);
  } catch (error) {
    const isHeeding =
      term.signal.aborted &&
      (error === term.signal.reason || (error instanceof Error && error.name === 'AbortError'));
    if (!isHeeding) throw error;
  }
}
