import { Luck } from './luck.ts';

interface Happening {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** What a promise of the product was broken by. */
export class Violation extends Error {
  readonly invariant: string;

  constructor(invariant: string, detail: string) {
    super(`${invariant}: ${detail}`);
    this.name = 'Violation';
    this.invariant = invariant;
  }
}

export interface Line {
  readonly at: number;
  readonly who: string;
  readonly text: string;
}

/**
 * True time, which no process can read, and everything that is going to happen in it, one after the
 * other. Nothing here waits for a real clock.
 */
export class World {
  readonly #seed: number;
  readonly #lines: Line[] | undefined;
  readonly #heap: Happening[] = [];
  #order = 0;
  #violation: Violation | undefined;
  now = 0;
  steps = 0;

  constructor(seed: number, { isTold }: { readonly isTold: boolean }) {
    this.#seed = seed;
    this.#lines = isTold ? [] : undefined;
  }

  luck(stream: string): Luck {
    return new Luck(this.#seed, stream);
  }

  get lines(): readonly Line[] {
    return this.#lines ?? [];
  }

  /** A line of the story; built only for those who read it. */
  tell(who: string, text: () => string): void {
    this.#lines?.push({ at: this.now, who, text: text() });
  }

  /** Remembered and thrown by `run`: a promise may be broken deep inside somebody's callback. */
  violate(invariant: string, detail: string): void {
    if (this.#violation !== undefined) return;
    this.tell('VIOLATION', () => `${invariant}: ${detail}`);
    this.#violation = new Violation(invariant, detail);
  }

  after(ms: number, run: () => void): () => void {
    return this.at(this.now + ms, run);
  }

  /** Returns how to call it off. */
  at(time: number, run: () => void): () => void {
    const happening: Happening = { at: Math.max(time, this.now), order: this.#order++, run };
    this.#push(happening);
    return () => {
      happening.run = undefined;
    };
  }

  /**
   * Lets things happen until `isOver` or the given time, and looks at the world after each of them.
   * In between all promises settle: the turn of the event loop is a barrier, not a clock.
   */
  async run(until: number, look: () => void, isOver: () => boolean = () => false): Promise<void> {
    while (!isOver()) {
      const next = this.#heap[0];
      if (next === undefined || next.at > until) {
        this.now = until;
        return;
      }
      this.#pop();
      if (next.run === undefined) continue;
      this.now = next.at;
      this.steps += 1;
      if (this.steps > 60_000) this.violate('quiet', 'things happen again and again without end');
      try {
        next.run();
        await turn();
        look();
      } catch (error) {
        this.violate('nothing is thrown', textOf(error));
      }
      if (this.#violation !== undefined) throw this.#violation;
    }
  }

  #push(happening: Happening): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(happening);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(happening, heap[parent] as Happening)) break;
      heap[index] = heap[parent] as Happening;
      index = parent;
    }
    heap[index] = happening;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Happening;
    if (heap.length === 0) return;
    let index = 0;
    for (let child = 1; child < heap.length; child = 2 * index + 1) {
      const other = heap[child + 1];
      if (other !== undefined && isBefore(other, heap[child] as Happening)) child += 1;
      if (!isBefore(heap[child] as Happening, last)) break;
      heap[index] = heap[child] as Happening;
      index = child;
    }
    heap[index] = last;
  }
}

/** So many turns share one look of the event loop at the operating system, which costs more. */
const turnsAtOnce = 64;
let turnsLeft = 0;
let goOn: (() => void) | undefined;

/** Resolves when all promises have settled: between two immediates Node empties its queues. */
const turn = (): Promise<void> =>
  new Promise((resolve) => {
    goOn = resolve;
    if (turnsLeft > 0) return;
    for (; turnsLeft < turnsAtOnce; turnsLeft += 1) {
      setImmediate(() => {
        turnsLeft -= 1;
        const resume = goOn;
        goOn = undefined;
        resume?.();
      });
    }
  });

const isBefore = (one: Happening, other: Happening): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order);

export const textOf = (error: unknown): string =>
  error instanceof Error ? `${error.stack}` : String(error);
