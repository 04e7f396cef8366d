import { constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import type { DestinationStream } from 'pino';

/** Beyond this much that nobody reads, lines are dropped: a stalled reader must not cost the lease. */
const longestBacklog = 1024 * 1024;

/** Between two tries to write to a reader that is behind. */
const retryMs = 50;

/** At exit, for a reader that is only behind. */
const pauses = { count: 100, ms: 10 };

/**
 * stderr, written to in the background, one line at a time. A terminal that was closed, a disk that is
 * full and a reader that stalls cost lines, never the lease, and hold up no exit: what could not be
 * written is dropped, and the next line begins anew.
 */
export class BackgroundStderr implements DestinationStream {
  #waiting: string[] = [];
  #backlog = 0;
  #descriptor: number | undefined;
  /** Of the line on its way, what the reader had no room for. */
  #refused: Buffer | undefined;
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
    this.#write(Buffer.from(line));
  }

  #write(rest: Buffer): void {
    this.#descriptor ??= unblockedStderr();
    this.#refused = undefined;
    write(this.#descriptor, rest, (error, written) => {
      if (error !== null) this.#failed(error, rest);
      else if (written < rest.length) this.#write(rest.subarray(written));
      else this.#writeNext();
    });
  }

  #failed({ code }: NodeJS.ErrnoException, rest: Buffer): void {
    if (code === 'EAGAIN') {
      this.#refused = rest;
      setTimeout(() => this.#write(rest), retryMs).unref(); // a log alone keeps no process running
      return;
    }
    this.#forget();
    this.#isWriting = false;
    this.#isClosed = code === 'EPIPE';
  }

  #forget(): string[] {
    this.#backlog = 0;
    return this.#waiting.splice(0);
  }

  /** A line on its way has been handed to the system; the others are written here, or dropped. */
  #flush(): void {
    const descriptor = this.#descriptor ?? 2;
    let pausesLeft = pauses.count;
    for (const text of [this.#refused ?? '', ...this.#forget()]) {
      for (let rest = Buffer.from(text); rest.length > 0; ) {
        try {
          rest = rest.subarray(writeSync(descriptor, rest));
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

/**
 * A write that blocks could not be taken back: it would hold up the end of the process. Whether one
 * does is a matter of the open file, which the command shares, and who may need it to block. So a
 * pipe or terminal is opened once more, where that can be done; a file has a place in it, and is not.
 */
function unblockedStderr(): number {
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    const stat = fstatSync(2);
    if (!stat.isFIFO() && !stat.isCharacterDevice()) return 2;
    return openSync('/proc/self/fd/2', O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return 2; // no Linux, another user's, or its reader is gone
  }
}
