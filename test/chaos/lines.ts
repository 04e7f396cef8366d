import { closeSync, openSync, readSync, writeFileSync } from 'node:fs';

const chunk = Buffer.alloc(1024 * 1024);

/** The file that all processes write their lines to, read on from where it was read last. */
export class Lines<Line> {
  readonly file: string;
  #offset = 0;
  #rest = '';

  constructor(file: string) {
    this.file = file;
    writeFileSync(file, '');
  }

  readOn(take: (line: Line) => void): void {
    const descriptor = openSync(this.file, 'r');
    try {
      for (;;) {
        const length = readSync(descriptor, chunk, 0, chunk.length, this.#offset);
        if (length === 0) break;
        this.#offset += length;
        const lines = (this.#rest + chunk.toString('latin1', 0, length)).split('\n');
        this.#rest = lines.pop() ?? '';
        for (const line of lines) take(JSON.parse(line) as Line);
      }
    } finally {
      closeSync(descriptor);
    }
  }
}
