import { randomBytes } from 'node:crypto';
import type { SingletonLockController } from '../core/controller.ts';
import { type AsJson, toJson } from '../core/json.ts';
import type { ControllerEvents, Leader } from '../core/surface.ts';
import type { Transition } from './wire.ts';

/** One that has a place among the others. */
export interface Told {
  readonly id: string;
  readonly transition: Transition;
}

const mostKept = 1_000;

/** A message may hold what somebody else wrote. */
const longestMessage = 1_000;

type Listeners = { [Name in Transition['is']]: (...args: ControllerEvents[Name]) => void };

/**
 * What has happened to a controller, the last of it kept: whoever was away for a moment is told what it
 * has missed. An id says of which listening it is, so that one of another process is not mistaken.
 */
export class Transitions {
  readonly #controller: SingletonLockController;
  readonly #hear: (told: Told) => void;
  readonly #series: string;
  readonly #kept: Told[] = [];
  readonly #listeners: Listeners;
  #count = 0;

  constructor(controller: SingletonLockController, hear: (told: Told) => void) {
    this.#controller = controller;
    this.#hear = hear;
    this.#series = `${controller.instance}-${randomBytes(4).toString('hex')}`;
    this.#listeners = {
      active: ({ token }) => this.#add({ is: 'active', token: `${token}` }),
      passive: ({ token }, reason) => this.#add({ is: 'passive', token: `${token}`, reason }),
      observed: (leader) => this.#add({ is: 'observed', leader: leaderOf(leader) }),
      drained: ({ token }) => this.#add({ is: 'drained', token: `${token}` }),
      warning: ({ message }) =>
        this.#add({ is: 'warning', message: message.slice(0, longestMessage) }),
      stopped: () => this.#add({ is: 'stopped' }),
    };
    for (const [name, listener] of Object.entries(this.#listeners)) {
      controller.on(name as 'stopped', listener as () => void);
    }
  }

  /** Of the latest: whoever begins to listen now has missed nothing after it. */
  get lastId(): string {
    return this.#idOf(this.#count);
  }

  /** What came after the one with this id; undefined where that is not known. */
  since(id: string): readonly Told[] | undefined {
    const number = Number(id.slice(this.#series.length + 1));
    if (id !== this.#idOf(number) || number > this.#count) return undefined;
    const missed = this.#count - number;
    if (missed > this.#kept.length) return undefined;
    return missed === 0 ? [] : this.#kept.slice(-missed);
  }

  close(): void {
    for (const [name, listener] of Object.entries(this.#listeners)) {
      this.#controller.off(name as 'stopped', listener as () => void);
    }
  }

  #add(what: Omit<Transition, 'at' | 'name'>): void {
    this.#count += 1;
    const { name } = this.#controller;
    const transition = { at: new Date().toISOString(), name, ...what };
    const told = { id: this.#idOf(this.#count), transition };
    this.#kept.push(told);
    if (this.#kept.length > mostKept) this.#kept.shift();
    this.#hear(told);
  }

  #idOf(number: number): string {
    return `${this.#series}-${number}`;
  }
}

const leaderOf = ({ token, instance, label }: Leader): AsJson<Leader> =>
  toJson({ token, instance, label });
