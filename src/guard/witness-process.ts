import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../core/clock.ts';
import { ControlLink } from '../core/control.ts';
import { type Deferred, deferred } from '../core/deferred.ts';
import { silentLogger } from '../core/log.ts';
import { postgresStore } from '../postgres/store.ts';
import { isAlive } from './group.ts';
import type { ToHost, ToWitness } from './witness.ts';

type Begin = Extract<ToWitness, { is: 'begin' }>;

/** In the process of the witness: keeps connected, and testifies once the host is seen to be dead. */
export class WitnessProcess {
  readonly #password = new AskedPassword();
  #begun: { host: Begin['host']; link: ControlLink } | undefined;
  #term: { token: bigint; until: number } | undefined;

  hear(message: ToWitness): void {
    switch (message.is) {
      case 'begin':
        this.#begun = { host: message.host, link: this.#begin(message) };
        break;
      case 'vouch':
        this.#term = { token: BigInt(message.token), until: message.until };
        break;
      case 'reconnect':
        this.#begun?.link.reconnect();
        break;
      case 'password':
        this.#password.answered(message.password);
        break;
      case 'bye':
        this.#term = undefined;
        // Later, because Node fails over a channel that is closed while it hands on what had piled up.
        setImmediate(() => {
          if (process.connected) process.disconnect();
        });
        break;
    }
  }

  /** The host has left us, or is about to be dead: until it is, nothing is said. */
  async succeed(): Promise<void> {
    this.#password.orphaned();
    if (this.#begun === undefined) return;
    const { host, link } = this.#begun;
    const term = this.#term;
    for (let waitMs = 1; term !== undefined && systemClock.mono() < term.until; waitMs *= 1.2) {
      if (!isAlive(host)) {
        await link.testify(term.token, 'testimony', 'its process died', term.until);
        break;
      }
      await pause(Math.min(waitMs, 50));
    }
    await link.stop();
  }

  #begin({ database, hasPasswordFunction, ...rules }: Begin): ControlLink {
    const password = () => this.#password.ask();
    const connection = hasPasswordFunction
      ? { ...database.connection, password }
      : database.connection;
    const link = new ControlLink({
      ...rules,
      store: postgresStore({ ...database, connection }, { isWitness: true }),
      clock: systemClock,
      random: Math.random,
      logger: silentLogger,
    });
    link.start(() => {});
    return link;
  }
}

/** The host's password function, asked over the pipe; once the host has gone, its last answer. */
class AskedPassword {
  #last = '';
  #answer: Deferred<string> | undefined;
  #isOrphaned = false;

  async ask(): Promise<string> {
    if (this.#isOrphaned) return this.#last;
    this.#answer ??= deferred();
    process.send?.({ is: 'password' } satisfies ToHost, undefined, undefined, () => {});
    return this.#answer.promise;
  }

  /** @param password Undefined: the function failed. A guess would be a failed login in the server's log. */
  answered(password: string | undefined): void {
    if (password === undefined) this.#answer?.reject(new Error('there is no password now'));
    else this.#answer?.resolve(password);
    this.#last = password ?? this.#last;
    this.#answer = undefined;
  }

  orphaned(): void {
    this.#isOrphaned = true;
    this.answered(this.#last);
  }
}
