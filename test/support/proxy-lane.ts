import type { Socket } from 'node:net';
import { deferred } from './wait.ts';

/** One chunk that a test holds back, and with it everything behind it in that direction. */
export class Hold {
  readonly #arrival = deferred<Buffer>();
  readonly #matches: (chunk: Buffer) => boolean;
  #onRelease: (() => void) | undefined;
  #isOver = false;

  constructor(matches: (chunk: Buffer) => boolean) {
    this.#matches = matches;
  }

  /** Resolves with the chunk once it is held. */
  get arrived(): Promise<Buffer> {
    return this.#arrival.promise;
  }

  get isHolding(): boolean {
    return this.#onRelease !== undefined && !this.#isOver;
  }

  /** Lets the chunk pass; if none came so far, none will be held. */
  release(): void {
    this.#isOver = true;
    this.#onRelease?.();
  }

  take(chunk: Buffer, onRelease: () => void): boolean {
    if (this.#isOver || this.#onRelease !== undefined || !this.#matches(chunk)) return false;
    this.#onRelease = onRelease;
    this.#arrival.resolve(chunk);
    return true;
  }
}

interface Item {
  readonly what: Buffer | 'end' | 'reset';
  readonly arrivedAt: number;
  readonly hold: Hold | undefined;
}

/** One direction of one connection. How the source ended travels in order with what it sent. */
export class Lane {
  bytes = 0;
  readonly #source: Socket;
  readonly #target: Socket;
  readonly #queue: Item[] = [];
  readonly #holds: Hold[] = [];
  #isBlocked = false;
  #isDiscarding = false;
  #delayMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(source: Socket, target: Socket) {
    this.#source = source;
    this.#target = target;
    source.on('data', (chunk: Buffer) => this.#arrive(chunk));
    source.on('end', () => this.#arrive('end'));
    source.on('error', () => this.#arrive('reset'));
    target.on('drain', () => this.#regulate());
    target.on('close', () => clearTimeout(this.#timer));
  }

  /** Nothing is lost, as TCP would send it again: it arrives after `unblock`. */
  block(): void {
    this.#isBlocked = true;
    this.#regulate();
  }

  unblock(): void {
    this.#isBlocked = false;
    this.#pump();
  }

  delay(delayMs: number): void {
    this.#delayMs = delayMs;
    this.#pump();
  }

  hold(hold: Hold): void {
    this.#holds.push(hold);
  }

  /** From now on the source speaks to nobody, and nobody speaks to the target. */
  discard(): void {
    this.#isDiscarding = true;
    this.#queue.length = 0;
    clearTimeout(this.#timer);
    this.#regulate();
  }

  #arrive(what: Item['what']): void {
    if (this.#isDiscarding) {
      if (typeof what === 'string') this.#source.destroy();
      return;
    }
    const hold =
      typeof what === 'string'
        ? undefined
        : this.#holds.find((candidate) => candidate.take(what, () => this.#pump()));
    this.#queue.push({ what, hold, arrivedAt: performance.now() });
    this.#pump();
  }

  #pump(): void {
    clearTimeout(this.#timer);
    for (let item = this.#queue[0]; item !== undefined; item = this.#queue[0]) {
      if (this.#isBlocked || item.hold?.isHolding === true) break;
      const leftMs = item.arrivedAt + this.#delayMs - performance.now();
      if (leftMs > 0) {
        this.#timer = setTimeout(() => this.#pump(), Math.ceil(leftMs));
        break;
      }
      this.#queue.shift();
      this.#forward(item.what);
    }
    this.#regulate();
  }

  #forward(what: Item['what']): void {
    if (what === 'reset') {
      reset(this.#target);
    } else if (what === 'end') {
      this.#target.end();
    } else if (this.#target.writable) {
      this.bytes += what.length;
      this.#target.write(what);
    }
  }

  /** Stops reading while nothing gets through, so that the sender feels its buffers fill up. */
  #regulate(): void {
    const isStuck = this.#isBlocked || this.#target.writableNeedDrain;
    if (isStuck && !this.#isDiscarding) this.#source.pause();
    else this.#source.resume();
  }
}

/** A unix socket knows no RST: its peer sees the end of the stream instead. */
export function reset(socket: Socket): void {
  const isEnding = socket.writableEnded && !socket.writableFinished;
  // A reset amid a shutdown fails inside libuv, and Node then never closes the socket.
  if (isEnding && socket.writableLength === 0) {
    socket.once('finish', () => reset(socket));
  } else if (isEnding || isUnixSocket(socket)) {
    socket.destroy();
  } else {
    socket.resetAndDestroy();
  }
}

function isUnixSocket(socket: Socket): boolean {
  return !socket.connecting && socket.remoteAddress === undefined;
}
