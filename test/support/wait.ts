import { setTimeout as sleep } from 'node:timers/promises';

export interface UntilOptions {
  /** @default 10_000 */
  readonly timeoutMs?: number;
  /** What is awaited, in words that complete "Waited in vain until …". */
  readonly describe?: string | (() => string);
}

/**
 * Polls a condition of the outside world that sends no event, and resolves with its first truthy
 * answer. A condition that throws counts as not yet true; its last error becomes the cause.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 10_000, describe = condition.toString() }: UntilOptions = {},
): Promise<Exclude<Awaited<T>, false | null | undefined>> {
  const deadline = performance.now() + timeoutMs;
  let cause: unknown;
  do {
    try {
      const answer = await condition();
      if (answer) return answer as Exclude<Awaited<T>, false | null | undefined>;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    await sleep(10);
  } while (performance.now() < deadline);
  const what = typeof describe === 'string' ? describe : describe();
  throw new Error(`Waited in vain for ${timeoutMs} ms until ${what}`, { cause });
}

export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T | PromiseLike<T>): void;
  reject(reason: unknown): void;
}

export function deferred<T = void>(): Deferred<T> {
  let resolve: Deferred<T>['resolve'] | undefined;
  let reject: Deferred<T>['reject'] | undefined;
  const promise = new Promise<T>((...settle) => {
    [resolve, reject] = settle;
  });
  return {
    promise,
    resolve: (value) => resolve?.(value),
    reject: (reason) => reject?.(reason),
  };
}
