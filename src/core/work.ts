import { type Deferred, deferred } from './deferred.ts';

/** Work in flight: counted, so that a drain knows when it has finished. */
export class Work {
  #running = 0;
  #idle: Deferred<void> | undefined;

  get running(): number {
    return this.#running;
  }

  /** Counts until the promise settles. Its outcome stays the caller's. */
  track<Result>(promise: PromiseLike<Result>): void {
    const finish = this.begin();
    promise.then(finish, finish);
  }

  /** Counts until what it calls has returned or thrown. */
  async run<Result>(work: () => Promise<Result> | Result): Promise<Result> {
    const finish = this.begin();
    try {
      return await work();
    } finally {
      finish();
    }
  }

  /** Counts until the returned function is called; calling it again changes nothing. */
  begin(): () => void {
    this.#running += 1;
    let isRunning = true;
    return () => {
      if (!isRunning) return;
      isRunning = false;
      this.#running -= 1;
      if (this.#running > 0) return;
      this.#idle?.resolve();
      this.#idle = undefined;
    };
  }

  /** Resolves when nothing is in flight, including what was added while waiting. */
  async settled(): Promise<void> {
    while (this.#running > 0) {
      this.#idle ??= deferred();
      await this.#idle.promise;
    }
  }
}
