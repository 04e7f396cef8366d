/**
 * Chance from a seed: the same each time. Every actor has a stream of its own, so that a schedule
 * from which one fault was taken away keeps the luck of all the others.
 */
export class Luck {
  #state: number;

  constructor(seed: number, stream: string) {
    let state = seed ^ 0x9e3779b9;
    for (let at = 0; at < stream.length; at += 1) {
      state = Math.imul(state ^ stream.charCodeAt(at), 0x01000193);
    }
    this.#state = state;
  }

  /** Uniform in [0, 1) (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }
}
