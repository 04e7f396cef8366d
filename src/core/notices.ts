/**
 * At most one notice per key and interval. Memory is bounded by `maxKeys`: when that many keys have
 * had theirs within one interval, further keys get none. Quiet is the safe side.
 */
export class Notices {
  readonly #intervalMs: number;
  readonly #maxKeys: number;
  readonly #at = new Map<string, number>();

  constructor(intervalMs: number, maxKeys = 100_000) {
    this.#intervalMs = intervalMs;
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#at.size;
  }

  /** True when `key` has not been answered with true within the interval before `now`. */
  take(key: string, now: number): boolean {
    const last = this.#at.get(key);
    if (last !== undefined && now - last < this.#intervalMs) return false;
    // Insertion order is time order: what is at the front is the oldest.
    for (const [oldest, at] of this.#at) {
      if (now - at < this.#intervalMs) break;
      this.#at.delete(oldest);
    }
    // Full of keys that are all younger than the interval: stay quiet rather than forget one.
    if (this.#at.size >= this.#maxKeys) return false;
    this.#at.delete(key);
    this.#at.set(key, now);
    return true;
  }

  clear(): void {
    this.#at.clear();
  }
}
