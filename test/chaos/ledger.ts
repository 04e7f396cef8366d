import { closeSync, openSync, readSync, writeFileSync } from 'node:fs';
import { Book, type Claim, type Tenure } from './claim.ts';

const chunk = Buffer.alloc(1024 * 1024);

/** The file that all processes claim in, read on from where it was read last. */
export class Ledger {
  readonly file: string;
  readonly #book = new Book();
  #offset = 0;
  #rest = '';

  constructor(file: string) {
    this.file = file;
    writeFileSync(file, '');
  }

  /** All that is known by now. */
  read(): Book {
    const descriptor = openSync(this.file, 'r');
    try {
      for (;;) {
        const length = readSync(descriptor, chunk, 0, chunk.length, this.#offset);
        if (length === 0) break;
        this.#offset += length;
        this.#take(chunk.toString('latin1', 0, length));
      }
    } finally {
      closeSync(descriptor);
    }
    return this.#book;
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#book.add(JSON.parse(line) as Claim);
  }

  /** Who leads, by the latest token; undefined when its last claim is older than this moment. */
  leading(since: number): Tenure | undefined {
    const latest = this.read().latest();
    const last = latest?.spans.at(-1)?.to ?? Number.NEGATIVE_INFINITY;
    return last >= since ? latest : undefined;
  }
}
