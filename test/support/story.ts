import { systemClock } from '../../src/core/clock.ts';
import type { SingletonLockController } from '../../src/core/controller.ts';
import type { LockdErrorCode } from '../../src/core/errors.ts';
import type { Logger } from '../../src/core/log.ts';
import type { EndReason } from '../../src/core/machine/protocol.ts';
import { until } from './wait.ts';

export interface Happening {
  readonly what: 'active' | 'passive' | 'attempt' | 'observed' | 'warning' | 'stopped';
  /** On the monotonic clock that all processes of this machine share, in ms. */
  readonly at: number;
  readonly token?: bigint;
  readonly reason?: EndReason;
  readonly code?: LockdErrorCode;
  readonly message?: string;
  readonly waitMs?: number;
}

export const now = (): number => systemClock.mono();

/** Everything one controller told, in order, with the times; and what it logged. */
export class Story {
  readonly all: Happening[] = [];
  readonly lines: { readonly message: string; readonly fields: Record<string, unknown> }[] = [];
  readonly #label: string;
  #seen = 0;

  constructor(label: string) {
    this.#label = label;
  }

  listenTo(controller: SingletonLockController): void {
    const note = (what: Happening['what'], facts: Partial<Happening> = {}) =>
      void this.all.push({ what, at: now(), ...facts });
    controller
      .on('active', ({ token }) => note('active', { token }))
      .on('passive', ({ token }, reason) => note('passive', { token, reason }))
      .on('attempt', ({ waitMs }) => note('attempt', { waitMs }))
      .on('observed', ({ token }) => note('observed', { token }))
      .on('warning', ({ code, message }) => note('warning', { code, message }))
      .on('stopped', () => note('stopped'));
  }

  get logger(): Logger {
    const keep = (fields: object, message: string) =>
      void this.lines.push({ message, fields: { ...fields } });
    return { debug: keep, info: keep, warn: keep, error: keep };
  }

  /** The next one behind the one that was found last. */
  async next(what: Happening['what'], timeoutMs = 10_000): Promise<Happening> {
    const index = await until(
      () => {
        const found = this.all.findIndex((it, at) => at >= this.#seen && it.what === what);
        return found === -1 ? undefined : { found };
      },
      { timeoutMs, describe: () => `${this.#label} tells \`${what}\`. It told:\n${this}` },
    );
    this.#seen = index.found + 1;
    return this.all[index.found] as Happening;
  }

  of(what: Happening['what']): Happening[] {
    return this.all.filter((it) => it.what === what);
  }

  logged(message: string): Record<string, unknown>[] {
    return this.lines.filter((line) => line.message.includes(message)).map(({ fields }) => fields);
  }

  toString(): string {
    const told = this.all.filter(({ what }) => what !== 'attempt');
    return told
      .map(({ what, at, token, reason, message }) =>
        [at.toFixed(0), what, token, reason, message]
          .filter((part) => part !== undefined)
          .join(' '),
      )
      .join('\n');
  }
}
