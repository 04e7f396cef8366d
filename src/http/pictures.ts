import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../core/errors.ts';
import { toJson } from '../core/json.ts';
import { Bell } from '../postgres/asking.ts';
import type { Behind } from './behind.ts';
import type { Picture } from './wire.ts';

const everyMs = 1_000;

/** However much happens. */
const leastMs = 100;

const nothing: Picture = {
  names: [],
  locks: { holdings: [], waitings: [], held: 0, waited: 0 },
  readAt: null,
};

/** One picture for all who listen, every second and soon after something has happened; none for nobody. */
export class Pictures {
  readonly #behind: Behind;
  readonly #show: (picture: Picture) => void;
  readonly #bell = new Bell();
  #isAwaited = false;
  #latest: Picture = nothing;
  #loop: Promise<void> | undefined;

  constructor(behind: Behind, show: (picture: Picture) => void) {
    this.#behind = behind;
    this.#show = show;
  }

  /** While pictures are read. */
  get latest(): Picture | undefined {
    return this.#latest === nothing ? undefined : this.#latest;
  }

  /** Somebody listens, or nobody does any more. */
  awaited(isAwaited: boolean): void {
    this.#isAwaited = isAwaited;
    if (isAwaited) this.#loop ??= this.#run();
    else this.#bell.ring();
  }

  /** Something has happened. */
  ring(): void {
    this.#bell.ring();
  }

  async close(): Promise<void> {
    this.awaited(false);
    await this.#loop;
  }

  async #run(): Promise<void> {
    while (this.#isAwaited) {
      const begunAt = performance.now();
      this.#latest = await this.#read();
      if (this.#isAwaited) this.#show(this.#latest);
      await this.#bell.heard(Math.max(leastMs, begunAt + everyMs - performance.now()));
      const earlyMs = begunAt + leastMs - performance.now();
      if (this.#isAwaited && earlyMs > 0) await pause(earlyMs);
    }
    this.#latest = nothing;
    this.#loop = undefined;
  }

  /** Of the two each may fail by itself: a replica knows who leads, and not what is held. */
  async #read(): Promise<Picture> {
    const before = this.#latest;
    const [names, locks] = await Promise.allSettled([this.#behind.status(), this.#behind.locks()]);
    const failed = [names, locks].find(({ status }) => status === 'rejected');
    return {
      names: names.status === 'fulfilled' ? toJson(names.value) : before.names,
      locks: locks.status === 'fulfilled' ? toJson(locks.value) : before.locks,
      readAt: names.status === 'fulfilled' ? new Date().toISOString() : before.readAt,
      ...(failed?.status === 'rejected' && { error: messageOf(failed.reason) }),
    };
  }
}
