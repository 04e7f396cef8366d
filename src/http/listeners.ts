/** Server-sent events, written to whoever listens. */
import type { ServerResponse } from 'node:http';

/** What somebody has not read yet may be this much, and one event. */
const mostUnread = 64 * 1024;

/** How often something is said where nothing happens: proxies cut what is silent. */
const commentEveryMs = 15_000;

export const mostListeners = 250;

interface Event {
  readonly event?: string;
  readonly id?: string;
  readonly data?: unknown;
}

/** An id without data is no event: it is what a listener asks for when it comes back. */
export function frame({ event, id, data }: Event): string {
  const lines = [
    ...(event === undefined ? [] : [`event: ${event}`]),
    ...(id === undefined ? [] : [`id: ${id}`]),
    ...(data === undefined ? [] : [`data: ${JSON.stringify(data)}`]), // in one line
  ];
  return `${lines.join('\n')}\n\n`;
}

/** Everybody who listens. Who does not read is cut off: what is unread would fill our memory. */
export class Listeners {
  readonly #open = new Set<ServerResponse>();
  readonly #counted: (count: number) => void;
  #comments: NodeJS.Timeout | undefined;

  constructor(counted: (count: number) => void) {
    this.#counted = counted;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Begins an answer that ends with the connection, or with `close()`. */
  add(answer: ServerResponse, first: string): void {
    answer.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-accel-buffering': 'no',
    });
    answer.once('close', () => this.#remove(answer));
    answer.on('error', () => {}); // a write that was too late for the connection
    this.#open.add(answer);
    this.#comments ??= setInterval(() => this.send(':\n\n'), commentEveryMs);
    answer.write(`retry: 1000\n${first}`);
    this.#counted(this.count);
  }

  send(text: string): void {
    for (const answer of this.#open) this.#tell(answer, text);
  }

  close(): void {
    for (const answer of this.#open) {
      this.#remove(answer);
      answer.end();
    }
  }

  #tell(answer: ServerResponse, text: string): void {
    if (answer.writableLength <= mostUnread) {
      answer.write(text);
      return;
    }
    this.#remove(answer); // at once: nothing may be written to what is destroyed
    answer.destroy();
  }

  #remove(answer: ServerResponse): void {
    if (!this.#open.delete(answer)) return;
    this.#counted(this.count);
    if (this.count > 0) return;
    clearInterval(this.#comments);
    this.#comments = undefined;
  }
}
