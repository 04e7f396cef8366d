import { type NetConnectOpts, Socket } from 'node:net';
import { Hold, Lane, reset } from './proxy-lane.ts';
import { deferred } from './wait.ts';

export type Direction = 'to-server' | 'to-client';
export type Directions = Direction | 'both';

/** What a new connection finds in force. */
export interface Weather {
  readonly blackhole: ReadonlySet<Direction>;
  readonly delayMs: number;
  readonly holds: readonly { readonly direction: Direction; readonly hold: Hold }[];
}

/** One client's connection through the proxy. */
export class ProxiedConnection {
  /** Settles when both sides are closed. */
  readonly closed: Promise<void>;
  readonly #client: Socket;
  readonly #server: Socket = new Socket({ allowHalfOpen: true });
  readonly #lanes: Readonly<Record<Direction, Lane>>;
  readonly #target: NetConnectOpts;
  #isConnected = false;
  #isClosed = false;
  #applicationName: string | undefined;

  constructor(client: Socket, target: NetConnectOpts, weather: Weather) {
    this.#client = client;
    this.#target = target;
    this.#lanes = {
      'to-server': new Lane(client, this.#server),
      'to-client': new Lane(this.#server, client),
    };
    client.once('data', (chunk: Buffer) => {
      this.#applicationName = /\0application_name\0([^\0]*)\0/.exec(chunk.toString('latin1'))?.[1];
    });
    this.closed = this.#watchClosing();
    for (const direction of weather.blackhole) this.#lanes[direction].block();
    for (const { direction, hold } of weather.holds) this.#lanes[direction].hold(hold);
    this.delay(weather.delayMs);
    // The server must not hear of a connection that is opened inside a black hole.
    if (!weather.blackhole.has('to-server')) this.#connect();
  }

  get isOpen(): boolean {
    return !this.#isClosed;
  }

  /** As the client named it in its first message, once that has arrived. */
  get applicationName(): string | undefined {
    return this.#applicationName;
  }

  /** How many have been passed on so far. */
  get bytes(): { readonly toServer: number; readonly toClient: number } {
    return { toServer: this.#lanes['to-server'].bytes, toClient: this.#lanes['to-client'].bytes };
  }

  /** Nothing passes, neither bytes nor the news that a side is gone, until `heal`. */
  blackhole(directions: Directions = 'both'): void {
    for (const direction of each(directions)) this.#lanes[direction].block();
  }

  /** Ends black holes and delays; what was under way arrives now. */
  heal(): void {
    this.#connect();
    for (const direction of each('both')) {
      this.#lanes[direction].unblock();
      this.#lanes[direction].delay(0);
    }
  }

  /** Every chunk arrives this much later, in each direction named. */
  delay(delayMs: number, directions: Directions = 'both'): void {
    for (const direction of each(directions)) this.#lanes[direction].delay(delayMs);
  }

  /** Holds back the next chunk (that matches), and all that follows it, until released. */
  hold(direction: Direction, matches: (chunk: Buffer) => boolean = () => true): Hold {
    const hold = new Hold(matches);
    this.holdWith(direction, hold);
    return hold;
  }

  holdWith(direction: Direction, hold: Hold): void {
    this.#lanes[direction].hold(hold);
  }

  /** The server sees a reset; the client's side stays open and never hears anything again. */
  resetServerSide(): void {
    this.#silence();
    reset(this.#server);
  }

  /** The client sees a reset; the server's side stays open and never hears anything again. */
  resetClientSide(): void {
    this.#silence();
    reset(this.#client);
  }

  /** Both sides see a reset. */
  cut(): void {
    this.#silence();
    reset(this.#server);
    reset(this.#client);
  }

  #silence(): void {
    for (const direction of each('both')) this.#lanes[direction].discard();
  }

  #connect(): void {
    if (this.#isConnected || this.#server.destroyed) return;
    this.#isConnected = true;
    this.#server.connect(this.#target);
  }

  async #watchClosing(): Promise<void> {
    const closings = [this.#client, this.#server].map((socket) => {
      const closing = deferred();
      socket.once('close', () => closing.resolve());
      return closing.promise;
    });
    await Promise.all(closings);
    this.#isClosed = true;
  }
}

export function each(directions: Directions): readonly Direction[] {
  return directions === 'both' ? ['to-server', 'to-client'] : [directions];
}
