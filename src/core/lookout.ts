import type { Clock } from './clock.ts';
import { pause } from './control.ts';
import type { AttemptAnswer, SeatSession } from './store.ts';

/** Of one who may not lead: looks at the row when it would have stood in the queue, or when something was told. */
export class Lookout {
  readonly #clock: Clock;
  #pause = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async look(seat: SeatSession, waitMs: number): Promise<AttemptAnswer> {
    this.#pause = new AbortController();
    await pause(this.#clock, waitMs, this.#pause.signal);
    return { isGranted: false, lease: await seat.readLease() };
  }

  hurry(): void {
    this.#pause.abort();
  }
}
