import { AsyncLocalStorage } from 'node:async_hooks';
import { type Deferred, deferred } from './deferred.ts';

interface Piece {
  readonly of: Work;
  isRunning: boolean;
}

/** The work that whoever asks is a part of. One for all: Node 20 visits each storage at each promise. */
const around = new AsyncLocalStorage<readonly Piece[]>();

/** Listeners that work sets off by what it calls are no part of it, nor is what comes of them. */
export const outsideWork = <Result>(call: () => Result): Result => around.run([], call);

/** Work in flight: counted, so that a drain knows when it has finished. */
export class Work {
  #running = 0;
  #idle: Deferred<void> | undefined;

  get running(): number {
    return this.#running;
  }

  /** Whether whoever asks is work in flight itself: then the drain cannot end before it does. */
  get isAsking(): boolean {
    const pieces = around.getStore() ?? [];
    return pieces.some((piece) => piece.of === this && piece.isRunning);
  }

  /** Counts until the promise settles. Its outcome stays the caller's. */
  track(promise: unknown): void {
    const settled = Promise.resolve(promise); // what is no promise has finished
    const finish = this.begin();
    settled.then(finish, finish);
  }

  /** Counts until what it calls has returned or thrown. */
  async run<Result>(work: () => PromiseLike<Result> | Result): Promise<Result> {
    const finish = this.begin();
    try {
      return await this.asPiece(work);
    } finally {
      finish();
    }
  }

  /** Lets what it calls be recognised as work, by `isAsking`; somebody else counts it. */
  async asPiece<Result>(work: () => PromiseLike<Result> | Result): Promise<Result> {
    const piece: Piece = { of: this, isRunning: true };
    const outer = (around.getStore() ?? []).filter(({ isRunning }) => isRunning);
    try {
      return await around.run([...outer, piece], work);
    } finally {
      piece.isRunning = false; // what it has left behind, timers and listeners, is not waited for
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
