import type { Clock } from '../../src/core/clock.ts';
import { LockdError } from '../../src/core/errors.ts';
import type { Candidate, Notice } from '../../src/core/store.ts';
import type { Luck } from './luck.ts';
import type { Message, Purpose, Request } from './messages.ts';
import type { Link, Network, Scope } from './network.ts';
import type { Process } from './process.ts';
import type { Server } from './server.ts';

interface Asked {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

export interface ConnectionHooks {
  lost?(error: LockdError): void;
  notice?(notice: Notice): void;
  /** It is over, whoever ended it. */
  over?(): void;
}

/** Where a connection is made from, and to. */
export interface Place {
  /** The machine, which partitions are about. */
  readonly name: string;
  readonly process: Process;
  readonly clock: Clock;
  readonly network: Network;
  readonly server: Server;
  readonly luck: Luck;
}

const broken = (reason: string): LockdError =>
  new LockdError('LOCKD_CONNECTION', reason, { isRetryable: true });

/** The client's end of a connection: one question at a time (marks queue), cut rather than repaired. */
export class Connection {
  readonly #place: Place;
  readonly #link: Link<Request, Message>;
  readonly #hooks: ConnectionHooks;
  #asked: Asked[] = [];
  #over: LockdError | undefined;
  backend = 0;

  constructor(place: Place, scope: Scope, keepaliveMs: number, hooks: ConnectionHooks) {
    this.#place = place;
    this.#hooks = hooks;
    const { name, process, network, server, luck } = place;
    this.#link = network.connect(name, scope, keepaliveMs, luck);
    this.#link.client = {
      hear: (message) => process.deliver(() => this.#hear(message)),
      closed: (reason) => process.deliver(() => this.#end(broken(reason))),
    };
    server.listen(this.#link);
    process.opened(this);
  }

  /** Why it is over. */
  get ended(): LockdError | undefined {
    return this.#over;
  }

  async connect(purpose: Purpose, who: Candidate): Promise<void> {
    this.backend = (await this.ask({ ask: 'connect', purpose, who })) as number;
  }

  ask(request: Request): Promise<unknown> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    if (this.#asked.length > 0 && request.ask !== 'testify') {
      throw new Error(`asked ${request.ask} before the last answer`);
    }
    return new Promise((resolve, reject) => {
      this.#asked.push({ resolve, reject });
      this.#link.ask(request);
    });
  }

  say(request: Request): void {
    if (this.#over === undefined) this.#link.ask(request);
  }

  /** Cuts it without a word; whoever waits for an answer hears of it, `lost` does not. */
  destroy(): void {
    if (this.#over !== undefined) return;
    this.#finish(broken('the connection was cut'));
    this.#link.closeFrom('client', 'its client went away');
  }

  /** Its process is dead. The kernel closes what it had open; without its machine nobody does. */
  orphan(isMachineDead: boolean): void {
    if (isMachineDead) this.#place.network.sever(this.#link, 'nobody', '');
    else this.#link.closeFrom('client', 'its client died');
  }

  #hear(message: Message): void {
    if (this.#over !== undefined) return;
    if (message.is === 'notice') {
      this.#hooks.notice?.(message.notice);
      return;
    }
    const asked = this.#asked.shift();
    if (message.is === 'answer') asked?.resolve(message.value);
    else asked?.reject(message.error);
  }

  #end(error: LockdError): void {
    if (this.#over !== undefined) return;
    this.#finish(error);
    this.#hooks.lost?.(error);
  }

  #finish(error: LockdError): void {
    this.#over = error;
    this.#place.process.closed(this);
    this.#hooks.over?.();
    for (const { reject } of this.#asked.splice(0)) reject(error);
  }
}
