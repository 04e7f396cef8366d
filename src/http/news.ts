import type { ServerResponse } from 'node:http';
import type { SingletonLockController } from '../core/controller.ts';
import type { Behind } from './behind.ts';
import { frame, Listeners, mostListeners } from './listeners.ts';
import { Pictures } from './pictures.ts';
import { type Told, Transitions } from './transitions.ts';
import type { Picture } from './wire.ts';

/** `GET /events`: what happens to this controller, and the picture of everything while somebody looks. */
export class News {
  readonly #transitions: Transitions;
  readonly #pictures: Pictures | undefined;
  readonly #listeners = new Listeners((count) => this.#pictures?.awaited(count > 0));

  constructor(controller: SingletonLockController, behind: Behind | undefined) {
    this.#pictures =
      behind &&
      new Pictures(behind, (picture) => {
        this.#listeners.send(pictured(picture));
      });
    this.#transitions = new Transitions(controller, (told) => {
      this.#listeners.send(framed(told));
      this.#pictures?.ring();
    });
  }

  get isFull(): boolean {
    return this.#listeners.count >= mostListeners;
  }

  /** Goes on from the event with this id; what is not known any more is answered with `reset`. */
  listen(answer: ServerResponse, lastId: string | undefined): void {
    const { lastId: now } = this.#transitions;
    const missed = lastId === undefined ? [] : this.#transitions.since(lastId);
    const first = missed === undefined ? [frame({ event: 'reset', data: {} })] : missed.map(framed);
    const { latest } = this.#pictures ?? {};
    const picture = latest === undefined ? [] : [pictured(latest)];
    this.#listeners.add(answer, [...first, frame({ id: now }), ...picture].join(''));
  }

  async close(): Promise<void> {
    this.#transitions.close();
    this.#listeners.close();
    await this.#pictures?.close();
  }
}

const framed = ({ id, transition }: Told): string =>
  frame({ event: 'transition', id, data: transition });

const pictured = (picture: Picture): string => frame({ event: 'picture', data: picture });
