import { SingletonLockController } from '../../src/core/controller.ts';
import { type ControllerOptions, settleOptions } from '../../src/core/options.ts';
import type { ControllerParts } from '../../src/core/surface.ts';
import { FakeClock, MemoryServer } from '../../src/testing/index.ts';

export const name = 'telegram-bot';
export const ttlMs = 10_000;
/** A holder acts on a beat for this long after it was sent. */
export const trustMs = 9_900;

/** A server in memory, a clock the test moves, and controllers of one name. */
export function setup() {
  const clock = new FakeClock();
  const server = new MemoryServer({ clock });
  const add = (options: Partial<ControllerOptions> = {}, parts: Partial<ControllerParts> = {}) =>
    new SingletonLockController(
      settleOptions({ name, ttlMs, clock, random: () => 0.5, ...options }),
      { store: server, ...parts },
    );
  return { clock, server, add };
}

/** What the server tells of its terms from here on, in order, until it ends its sessions. */
export async function listen(server: MemoryServer): Promise<string[]> {
  const news: string[] = [];
  await server.openControl(settleOptions({ name }).candidate, {
    hooks: { lost: () => {}, notice: ({ kind, token }) => void news.push(`${kind} ${token}`) },
    signal: new AbortController().signal,
    timeoutMs: ttlMs,
  });
  return news;
}

/** Whether somebody has the seat, as another session finds that asks for it and does not wait. */
export async function isHeld(clock: FakeClock, server: MemoryServer): Promise<boolean> {
  const session = await server.openSeat(settleOptions({ name }).candidate, {
    hooks: { lost: () => {} },
    signal: new AbortController().signal,
    timeoutMs: ttlMs,
  });
  const { isGranted } = await clock.until(session.attempt(0));
  session.destroy();
  await clock.advance(0);
  return !isGranted;
}

/** What a controller told, in order. */
export function diary(controller: SingletonLockController): string[] {
  const entries: string[] = [];
  controller.on('active', () => entries.push('active'));
  controller.on('passive', (_term, reason) => entries.push(`passive: ${reason}`));
  controller.on('stopped', () => entries.push('stopped'));
  return entries;
}
