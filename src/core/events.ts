import type { EventEmitter } from 'node:events';

type EventMap<Events> = { [Name in keyof Events]: readonly unknown[] };

/**
 * Delivers to an emitter's listeners one event after the other, never inside one another, so that
 * each listener sees them in order even when another one reacts by causing the next. A listener
 * that throws or rejects is reported and disturbs nobody.
 */
export class Delivery<Events extends EventMap<Events>> {
  readonly #emitter: EventEmitter;
  readonly #failed: (event: keyof Events, error: unknown) => void;
  readonly #queue: (() => void)[] = [];
  #isDelivering = false;

  constructor(emitter: EventEmitter, failed: (event: keyof Events, error: unknown) => void) {
    this.#emitter = emitter;
    this.#failed = failed;
  }

  send<Name extends keyof Events & string>(event: Name, ...args: Events[Name]): void {
    this.#queue.push(() => {
      for (const listener of this.#emitter.rawListeners(event)) this.#call(event, listener, args);
    });
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) next();
    } finally {
      this.#isDelivering = false;
    }
  }

  // biome-ignore lint/complexity/noBannedTypes: what rawListeners() returns
  #call(event: keyof Events, listener: Function, args: readonly unknown[]): void {
    try {
      const result: unknown = Reflect.apply(listener, this.#emitter, args);
      if (result instanceof Promise) {
        result.catch((error: unknown) => this.#failed(event, error));
      }
    } catch (error) {
      this.#failed(event, error);
    }
  }
}
