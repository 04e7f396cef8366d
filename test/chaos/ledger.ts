import { Book, type Claim, type Tenure } from './claim.ts';
import { Lines } from './lines.ts';

/** What all processes have claimed. */
export class Ledger {
  readonly #lines: Lines<Claim>;
  readonly #book = new Book();

  constructor(file: string) {
    this.#lines = new Lines(file);
  }

  get file(): string {
    return this.#lines.file;
  }

  /** All that is known by now. */
  read(): Book {
    this.#lines.readOn((line) => this.#book.add(line));
    return this.#book;
  }

  /** Who leads, by the latest token; undefined when its last claim is older than this moment. */
  leading(since: number): Tenure | undefined {
    const latest = this.read().latest();
    const last = latest?.spans.at(-1)?.to ?? Number.NEGATIVE_INFINITY;
    return last >= since ? latest : undefined;
  }
}
