import { LockdError } from '../../src/core/errors.ts';
import type { Candidate } from '../../src/core/store.ts';
import type { Tables } from './database.ts';
import type { Luck } from './luck.ts';
import type { Message, Purpose, Request } from './messages.ts';
import type { End, Link } from './network.ts';
import * as protocol from './protocol.ts';
import type { Server } from './server.ts';
import type { World } from './world.ts';

/** Ends on its own only where the server looks for it: between statements, and while it waits. */
export class Backend implements End<Request> {
  readonly pid: number;
  readonly purpose: Purpose;
  readonly who: Candidate;
  readonly place: string;
  readonly #world: World;
  readonly #server: Server;
  readonly #luck: Luck;
  readonly #link: Link<Request, Message>;
  readonly #inbox: Request[] = [];
  #unsetIdle: () => void = () => {};
  #isBusy = false;
  #isWaiting = false;
  #isCommitting = false;
  #doom: string | undefined;
  #isLeftAlone = false;
  #frozenUntil = 0;
  isOver = false;
  /** `idle_session_timeout`; 0 is none. */
  idleMs = 0;
  /** The token of the user's transaction that is open here. */
  fencedUnder: bigint | undefined;

  constructor(
    world: World,
    server: Server,
    pid: number,
    link: Link<Request, Message>,
    hello: Extract<Request, { ask: 'connect' }>,
  ) {
    this.#world = world;
    this.#server = server;
    this.#link = link;
    this.pid = pid;
    this.purpose = hello.purpose;
    this.who = hello.who;
    this.place = link.place;
    this.#luck = world.luck(`backend ${link.place} ${pid}`);
    if (this.purpose === 'seat') this.idleMs = hello.who.passiveIdleMs;
    this.#rest();
  }

  hear(request: Request): void {
    if (this.isOver) return;
    this.#inbox.push(request);
    if (!this.#isBusy) this.#next();
  }

  /** The client's end is gone. What it had asked before may be done all the same. */
  closed(reason: string): void {
    if (this.isOver || this.#isLeftAlone) return;
    this.#isLeftAlone = true;
    if (this.#luck.chance(0.5)) this.#inbox.length = 0;
    if (!this.#isBusy) this.end(reason);
    // client_connection_check_interval
    else if (this.#isWaiting) this.#world.after(1000 * this.#luck.next(), () => this.end(reason));
  }

  /** Terminated, idle too long, or its server is going away. */
  end(reason: string): void {
    if (this.isOver) return;
    if (this.#frozenUntil > this.#world.now) {
      this.#world.after(this.#frozenMs, () => this.end(reason));
      return;
    }
    // A commit is not interrupted.
    if (this.#isCommitting) this.#doom ??= reason;
    else this.vanish(reason);
  }

  /** At once, whatever it is doing: its process is gone. */
  vanish(reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#unsetIdle();
    this.#world.tell(
      'server',
      () => `ends the ${this.purpose} session of ${this.place}: ${reason}`,
    );
    this.#link.closeFrom('server', reason);
    this.#server.forget(this);
  }

  freeze(ms: number): void {
    this.#frozenUntil = this.#world.now + ms;
  }

  thaw(): void {
    this.#frozenUntil = 0;
  }

  send(message: Message): void {
    if (!this.isOver) this.#link.answer(message);
  }

  /** A moment of its own; does not return when the session ends meanwhile. */
  async pause(): Promise<void> {
    do {
      const ms = this.#frozenMs + this.#luck.between(0.02, 0.6);
      await this.wait(new Promise<void>((resolve) => this.#world.after(ms, resolve)));
    } while (this.#frozenUntil > this.#world.now);
  }

  /** When to look again whether it goes on. */
  get #frozenMs(): number {
    return Math.min(250, Math.max(0, this.#frozenUntil - this.#world.now));
  }

  /** Between the timer of a wait and its error: mostly nothing, sometimes long enough for a grant. */
  readonly leaves = (leave: () => void): void => {
    const ms = this.#luck.chance(0.2) ? this.#luck.between(0.5, 40) : this.#luck.between(0, 0.5);
    this.#world.after(ms, () => {
      if (!this.isOver) leave();
    });
  };

  async wait<Value>(promise: Promise<Value>): Promise<Value> {
    this.#isWaiting = true;
    const value = await promise;
    if (this.isOver) return new Promise(() => {});
    this.#isWaiting = false;
    return value;
  }

  commit(tables: Tables, kind: 'durable' | 'asynchronous'): Promise<void> {
    this.#isCommitting = true;
    return new Promise((resolve) =>
      this.#server.database.commit(tables, kind, () => {
        if (this.isOver) return;
        this.#isCommitting = false;
        resolve();
      }),
    );
  }

  #next(): void {
    if (this.#doom !== undefined) this.vanish(this.#doom);
    if (this.isOver) return;
    const request = this.#inbox.shift();
    if (request === undefined) {
      this.#rest();
      return;
    }
    this.#isBusy = true;
    this.#unsetIdle();
    void this.#perform(request).then(() => this.#next());
  }

  #rest(): void {
    this.#isBusy = false;
    this.#unsetIdle();
    if (this.#isLeftAlone) this.end('its client is gone');
    if (this.isOver || this.idleMs === 0) return;
    this.#unsetIdle = this.#server.wall.setTimer(this.idleMs, () => this.end('idle for too long'));
  }

  async #perform(request: Request): Promise<void> {
    await this.pause();
    try {
      const value = await this.#run(request);
      const warning = this.#server.warningBeside(request);
      if (warning !== undefined) throw warning;
      this.send({ is: 'answer', value });
    } catch (error) {
      if (!(error instanceof LockdError)) throw error;
      this.send({ is: 'refusal', error });
    }
  }

  #run(request: Request): Promise<unknown> | unknown {
    const server = this.#server;
    server.observer.asked(this, request);
    switch (request.ask) {
      case 'attempt':
        return protocol.attempt(server, this, request);
      case 'read':
        return protocol.leaseOf(server);
      case 'takeover':
        return protocol.takeover(server, this, request.bid, request.who);
      case 'beat':
        return protocol.beat(server, this, request.token);
      case 'release':
        return protocol.release(server, this, request.token, request.reason);
      case 'testify':
        return protocol.testify(server, this, request.token, request.by, request.reason);
      case 'fence':
        return protocol.fence(server, this, request.token);
      case 'commit':
        return protocol.commitFenced(server, this);
      case 'terminate-blockers':
        return server.terminateBlockers();
      case 'connect':
        return undefined;
      case 'goodbye':
        return this.end('said goodbye');
    }
  }
}
