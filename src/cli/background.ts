import { writeSync } from 'node:fs';
import { type DestinationStream, destination } from 'pino';

type Destination = ReturnType<typeof destination>;

/** Beyond this much that nobody reads, lines are dropped: a stalled reader must not cost the lease. */
const longestBacklog = 1024 * 1024;

/** At exit, for a reader that is only behind. */
const pauses = { count: 100, ms: 10 };

/**
 * stderr, written to in the background. A terminal that was closed and a disk that is full cost
 * lines, never the lease: what could not be written is dropped, and the next line begins anew.
 *
 * pino's destination is given one line at a time. What waits at exit would else be its own to flush,
 * and it tries for ever what a full disk does not take: the process would never end.
 */
export class BackgroundStderr implements DestinationStream {
  #waiting: string[] = [];
  #backlog = 0;
  #opened: Destination | undefined;
  #isWriting = false;
  #isClosed = false;
  #flushesAtExit = false;

  write(line: string): void {
    if (this.#isClosed || this.#backlog + line.length > longestBacklog) return;
    this.#waiting.push(line);
    this.#backlog += line.length;
    if (!this.#flushesAtExit) process.once('exit', () => this.#flush());
    this.#flushesAtExit = true;
    if (!this.#isWriting) this.#writeNext();
  }

  #writeNext(): void {
    const line = this.#waiting.shift();
    this.#isWriting = line !== undefined;
    if (line === undefined) return;
    this.#backlog -= line.length;
    this.#opened ??= this.#open();
    this.#opened.write(line);
  }

  #open(): Destination {
    const opened = destination({ dest: 2, sync: false });
    opened.on('drain', () => this.#writeNext());
    opened.on('error', (error: NodeJS.ErrnoException) => {
      this.#forget();
      if (error.code === 'EPIPE') {
        this.#isClosed = true; // pino has silenced it for good
        return;
      }
      opened.destroy();
      if (this.#opened !== opened) return; // pino tells it twice
      this.#opened = undefined;
      this.#isWriting = false;
    });
    return opened;
  }

  #forget(): string[] {
    this.#backlog = 0;
    return this.#waiting.splice(0);
  }

  /** The line on its way has been handed to the system; the others are written here, or dropped. */
  #flush(): void {
    let pausesLeft = pauses.count;
    for (const line of this.#forget()) {
      for (let rest = Buffer.from(line); rest.length > 0; ) {
        try {
          rest = rest.subarray(writeSync(2, rest));
        } catch (error) {
          const isBehind = (error as NodeJS.ErrnoException).code === 'EAGAIN';
          if (!isBehind || pausesLeft === 0) return;
          pausesLeft -= 1;
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauses.ms);
        }
      }
    }
  }
}
