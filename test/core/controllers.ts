import { SingletonLockController } from '../../src/core/controller.ts';
import { type ControllerOptions, settleOptions } from '../../src/core/options.ts';
import type { ControllerParts } from '../../src/core/surface.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { MemoryStore } from '../support/memory-store.ts';

export const ttlMs = 10_000;
/** A holder acts on a beat for this long after it was sent. */
export const trustMs = 9_900;

/** A server in memory, a clock the test moves, and controllers of one name. */
export function setup() {
  const clock = new FakeClock();
  const store = new MemoryStore(clock);
  const add = (options: Partial<ControllerOptions> = {}, parts: Partial<ControllerParts> = {}) =>
    new SingletonLockController(
      settleOptions({ name: 'telegram-bot', ttlMs, clock, random: () => 0.5, ...options }),
      { store, ...parts },
    );
  return { clock, store, add };
}

/** What a controller told, in order. */
export function diary(controller: SingletonLockController): string[] {
  const entries: string[] = [];
  controller.on('active', () => entries.push('active'));
  controller.on('passive', (_term, reason) => entries.push(`passive: ${reason}`));
  controller.on('stopped', () => entries.push('stopped'));
  return entries;
}
