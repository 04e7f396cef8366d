import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Keeps room for whoever comes: where there are too many connections, the one that has been without a
 * request for longest is closed. Refusing the new one instead, a thousand that say nothing would keep
 * every probe out.
 */
export class Connections {
  readonly #most: number;
  /** Without a request, the one that has been so for longest first. */
  readonly #idle = new Set<Socket>();
  /** How many requests of it are not answered yet. */
  readonly #busy = new Map<Socket, number>();
  #isClosing = false;

  constructor(server: Server, most: number) {
    this.#most = most;
    server.on('connection', (socket) => this.#came(socket));
    server.on('request', (request, answer) => this.#asked(request, answer));
  }

  /** Those on which nobody waits for an answer; the others when they have had it. */
  close(): void {
    this.#isClosing = true;
    for (const socket of this.#idle) socket.destroy();
  }

  #came(socket: Socket): void {
    if (this.#idle.size + this.#busy.size >= this.#most) {
      const [oldest = socket] = this.#idle;
      this.#idle.delete(oldest);
      oldest.destroy();
    }
    if (socket.destroyed) return;
    this.#idle.add(socket);
    socket.once('close', () => {
      this.#idle.delete(socket);
      this.#busy.delete(socket);
    });
  }

  #asked({ socket }: IncomingMessage, answer: ServerResponse): void {
    this.#idle.delete(socket);
    this.#busy.set(socket, (this.#busy.get(socket) ?? 0) + 1);
    answer.once('close', () => {
      const left = (this.#busy.get(socket) ?? 1) - 1;
      if (left > 0) return void this.#busy.set(socket, left);
      this.#busy.delete(socket);
      if (this.#isClosing) socket.end();
      else if (!socket.destroyed) this.#idle.add(socket);
    });
  }
}
