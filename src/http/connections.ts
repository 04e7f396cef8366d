import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** So many requests of one connection may wait for their answers. Clients wait for each; floods do not. */
export const mostAsked = 16;

/** With so much unread, whoever asks for still more is cut off. */
const mostUnread = 256 * 1024;

export interface Limits {
  readonly most: number;
  /** Whoever takes nothing of its answer for so long is cut off. */
  readonly unreadMs: number;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly answer: ServerResponse;
}

/**
 * Keeps room for whoever comes: where there are too many connections, one is closed on which nobody
 * waits for us, the one that has been so for longest. Refusing the new one instead, a thousand that say
 * nothing, never end what they say, or read no answer would keep every probe out.
 */
export class Connections {
  readonly #limits: Limits;
  /** What is not answered yet. Who connected, asked or was answered last comes last. */
  readonly #open = new Map<Socket, Set<Exchange>>();
  #isClosing = false;

  /** `listener` hears of what may be answered, and of nothing else. */
  constructor(server: Server, limits: Limits, listener: RequestListener) {
    this.#limits = limits;
    server.on('connection', (socket) => this.#came(socket));
    server.on('request', (request, answer) => {
      if (this.#admit({ request, answer })) listener(request, answer);
    });
    // Nothing read or written for so long, or no further request on a connection that was kept.
    server.setTimeout(limits.unreadMs, (socket) => {
      if (!this.#isAwaited(socket) || socket.writableLength > 0) socket.destroy();
    });
  }

  /** Those on which nothing was asked; the others when they have had their answer. */
  close(): void {
    this.#isClosing = true;
    for (const [socket, exchanges] of this.#open) {
      if (![...exchanges].some(({ request }) => request.complete)) socket.destroy();
    }
  }

  #came(socket: Socket): void {
    if (this.#open.size >= this.#limits.most) this.#makeRoom(socket);
    if (socket.destroyed) return;
    this.#open.set(socket, new Set());
    socket.once('close', () => this.#open.delete(socket));
  }

  #makeRoom(newcomer: Socket): void {
    const sockets = [...this.#open.keys()];
    const oldest = sockets.find((socket) => !this.#isAwaited(socket)) ?? newcomer;
    this.#open.delete(oldest);
    oldest.destroy();
  }

  /** Somebody has said all of what it wants, and has not been given all of it to read. */
  #isAwaited(socket: Socket): boolean {
    const exchanges = [...(this.#open.get(socket) ?? [])];
    return exchanges.some(({ request, answer }) => request.complete && !answer.writableEnded);
  }

  /** What came in one piece with others is told here one by one, also when its connection is gone. */
  #admit(exchange: Exchange): boolean {
    const { socket } = exchange.request;
    const exchanges = this.#open.get(socket);
    if (exchanges === undefined || socket.destroyed) return false;
    let unread = 0;
    for (const { answer } of exchanges) unread += answer.writableLength;
    if (exchanges.size >= mostAsked || unread > mostUnread) {
      socket.destroy();
      return false;
    }
    exchanges.add(exchange);
    exchange.answer.once('close', () => this.#answered(socket, exchange));
    return true;
  }

  #answered(socket: Socket, exchange: Exchange): void {
    const exchanges = this.#open.get(socket);
    if (exchanges === undefined || socket.destroyed) return;
    exchanges.delete(exchange);
    this.#open.delete(socket);
    this.#open.set(socket, exchanges); // the last of all
    if (this.#isClosing && exchanges.size === 0) socket.end();
  }
}
