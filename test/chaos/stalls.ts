import { now } from '../support/story.ts';

const tickMs = 20;

/**
 * How long this process stood still. The network of all instances leads through it, so that is a
 * fault of its own, which nobody has planned, and no promise holds against the clock then.
 */
export class Stalls implements Disposable {
  #longestMs = 0;
  #lastAt = now();
  readonly #timer = setInterval(() => this.#tick(), tickMs);

  #tick(): void {
    const at = now();
    this.#longestMs = Math.max(this.#longestMs, at - this.#lastAt - tickMs);
    this.#lastAt = at;
  }

  /** The longest one since this was asked last. */
  takeLongestMs(): number {
    this.#tick();
    const longest = this.#longestMs;
    this.#longestMs = 0;
    return longest;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
