import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { deferred } from './wait.ts';

/** One end of a TCP connection, with all it has heard. */
export class Peer {
  readonly socket: Socket;
  /** The error code it was closed with, or 'end'. */
  readonly ending: Promise<string>;
  #heard = '';
  #hasEnded = false;
  #onChange: (() => void) | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    const ending = deferred<string>();
    this.ending = ending.promise;
    const end = (how: string) => {
      this.#hasEnded = true;
      ending.resolve(how);
    };
    socket.setEncoding('utf8').on('data', (text: string) => {
      this.#heard += text;
      this.#onChange?.();
    });
    socket.on('end', () => end('end'));
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  }

  get heard(): string {
    return this.#heard;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  say(text: string): void {
    this.socket.write(text);
  }

  /** Resolves when it has heard exactly this, all in all. */
  hears(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.#onChange = () => {
        if (this.#heard === text) resolve();
      };
      this.#onChange();
    });
  }
}

export async function dial(url: string): Promise<Peer> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  const peer = new Peer(socket);
  await once(socket, 'connect');
  return peer;
}

export interface Listener extends AsyncDisposable {
  readonly url: string;
  readonly peers: Peer[];
  next(): Promise<Peer>;
}

/** A server that says nothing of its own accord, so that a test can speak for it. */
export async function listen(): Promise<Listener> {
  const server = createServer((socket) => {
    peers.push(new Peer(socket));
    server.emit('peer');
  });
  const peers: Peer[] = [];
  let handedOut = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  return {
    peers,
    url: `postgresql://127.0.0.1:${address.port}/any`,
    async next() {
      const index = handedOut++;
      while (peers[index] === undefined) await once(server, 'peer');
      return peers[index];
    },
    async [Symbol.asyncDispose]() {
      for (const { socket } of peers) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
