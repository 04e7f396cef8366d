/** How often what happened: a simulation in which nothing happens proves nothing. */
export class Tally {
  readonly #counts = new Map<string, number>();

  count(kind: string, what: string, times = 1): void {
    const key = `${kind}: ${what}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + times);
  }

  of(kind: string, what: string): number {
    return this.#counts.get(`${kind}: ${what}`) ?? 0;
  }

  add(other: Tally): void {
    for (const [key, times] of other.#counts) {
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + times);
    }
  }

  toString(): string {
    const entries = [...this.#counts].sort(([one], [other]) => (one < other ? -1 : 1));
    return entries.map(([key, times]) => `${String(times).padStart(9)}  ${key}`).join('\n');
  }
}
