import { expect } from '../checks.ts';
import type { Clock } from '../clock.ts';
import type { Hold } from './hold.ts';
import { type AcquireOptions, checkResource } from './options.ts';

/** Several holds as one: all were had, and all are given back. */
export class All implements AsyncDisposable {
  /** In the order in which they were asked for. */
  readonly holds: readonly Hold[];
  /** Aborts when the first of them has ended otherwise than by `release()`. */
  readonly signal: AbortSignal;

  private constructor(holds: readonly Hold[]) {
    this.holds = holds;
    this.signal = AbortSignal.any(holds.map(({ signal }) => signal));
  }

  /** @internal In the order of their names, so that nobody waits for another in a circle. */
  static async acquire(
    resources: readonly string[],
    options: AcquireOptions,
    clock: Clock,
    acquire: (resource: string, options: AcquireOptions) => Promise<Hold>,
  ): Promise<All> {
    expect(Array.isArray(resources), '`resources` to be an array of names', resources);
    const names = resources.map(checkResource);
    expect(
      new Set(names).size === names.length,
      '`resources` to name each of them once',
      `${names.length} with ${names.length - new Set(names).size} twice`,
    );
    const begun = clock.mono();
    const had = new Map<string, Hold>();
    try {
      for (const name of [...names].sort(byBytes)) {
        const { waitMs } = options;
        const leftMs = waitMs === undefined ? waitMs : Math.max(0, waitMs - (clock.mono() - begun));
        had.set(name, await acquire(name, { ...options, waitMs: leftMs }));
      }
    } catch (error) {
      await Promise.all([...had.values()].map((hold) => hold.release()));
      throw error;
    }
    return new All(names.flatMap((name) => had.get(name) ?? []));
  }

  /** Whether all of them are held, exactly now. */
  isHeld(): boolean {
    return this.holds.every((hold) => hold.isHeld());
  }

  async release(): Promise<void> {
    await Promise.all(this.holds.map((hold) => hold.release()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

const byBytes = (one: string, other: string): number =>
  Buffer.compare(Buffer.from(one), Buffer.from(other));
