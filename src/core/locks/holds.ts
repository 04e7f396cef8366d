import { expect } from '../checks.ts';
import type { Clock } from '../clock.ts';
import { onAbort } from './aborts.ts';
import type { Hold } from './hold.ts';
import { type AcquireOptions, checkResource, type Request, settleRequest } from './options.ts';

/** Several holds as one: all were had, and all are given back. */
export class Holds implements AsyncDisposable {
  /** In the order in which they were asked for. */
  readonly holds: readonly Hold[];
  #signal: AbortSignal | undefined;

  constructor(holds: readonly Hold[]) {
    this.holds = holds;
  }

  /** Aborts with the first of theirs, for the same reason. */
  get signal(): AbortSignal {
    this.#signal ??= AbortSignal.any(this.holds.map(({ signal }) => signal));
    return this.#signal;
  }

  /** Whether all of them are held, exactly now. */
  isHeld(): boolean {
    return this.holds.every((hold) => hold.isHeld());
  }

  /** Gives all of them back; as a single hold's, it never rejects. */
  async release(): Promise<void> {
    await Promise.all(this.holds.map((hold) => hold.release()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

/**
 * In the order of their names, so that nobody waits for another in a circle; all for one owner. One that
 * is lost while the next one is waited for ends that wait: it would be for nothing.
 */
export async function acquireAll(
  resources: readonly string[],
  options: AcquireOptions,
  clock: Clock,
  acquire: (request: Request) => Promise<Hold>,
): Promise<Holds> {
  const names = checkNames(resources);
  const { owner, details } = settleRequest('all', options);
  const asker = { owner, within: details.within };
  const { waitMs } = options;
  const begun = clock.mono();
  const had = new Map<string, Hold>();
  const given = new GivenUp(options.signal);
  try {
    for (const name of [...names].sort(byBytes)) {
      const leftMs = waitMs === undefined ? waitMs : Math.max(0, waitMs - (clock.mono() - begun));
      const { signal } = given;
      const hold = await acquire(
        settleRequest(name, { ...options, waitMs: leftMs, signal }, asker),
      );
      had.set(name, hold);
      given.follow(hold.signal);
    }
    given.signal.throwIfAborted();
    return new Holds(names.flatMap((name) => had.get(name) ?? []));
  } catch (error) {
    await Promise.all([...had.values()].map((hold) => hold.release()));
    throw error;
  } finally {
    given.forget();
  }
}

/** Aborts with the first of several signals, and leaves no listener at them. */
class GivenUp {
  readonly #abort = new AbortController();
  readonly #forget: (() => void)[] = [];

  constructor(signal: AbortSignal | undefined) {
    if (signal !== undefined) this.follow(signal);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  follow(signal: AbortSignal): void {
    this.#forget.push(onAbort(signal, () => this.#abort.abort(signal.reason)));
  }

  forget(): void {
    for (const forget of this.#forget) forget();
  }
}

function checkNames(resources: readonly string[]): readonly string[] {
  expect(Array.isArray(resources), '`resources` to be an array of names', resources);
  const names = resources.map(checkResource);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  expect(twice === undefined, '`resources` to name each of them once', twice);
  return names;
}

const byBytes = (one: string, other: string): number =>
  Buffer.compare(Buffer.from(one), Buffer.from(other));
