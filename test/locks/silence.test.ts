import { expect, test } from 'vitest';
import { settleLocks } from '../../src/core/locks/settings.ts';
import { Silence } from '../../src/core/locks/silence.ts';
import { silentLogger } from '../../src/core/log.ts';
import { FakeClock, MemoryServer, testLockManager } from '../../src/testing/index.ts';

const ttlMs = 10_000;

/** Short-lived managers beside a holder that has died, on machines that are named as the test says. */
function stage() {
  const clock = new FakeClock();
  const server = new MemoryServer({ clock });
  const manager = () => testLockManager({ server, ttlMs });
  const die = async () => {
    const holder = manager();
    await clock.until(holder.acquire('cron'));
    server.cutOff(holder);
    return holder;
  };
  const ask = async () => {
    const locks = manager();
    const hold = await clock.until(locks.tryAcquire('cron'));
    await clock.until(hold?.release() ?? Promise.resolve());
    await clock.until(locks.stop());
    return hold !== undefined;
  };
  return { clock, server, manager, die, ask };
}

test('who asks again and again, each time as another process, has it a TTL after the first refusal that is noted', async () => {
  const { clock, die, ask } = stage();
  const holder = await die();
  expect(await ask()).toBe(false);
  await clock.advance(ttlMs / 2); // two beats are missed by now
  expect(await ask()).toBe(false);
  await clock.advance(ttlMs - 1_000);
  expect(await ask()).toBe(false);
  await clock.advance(1_000);
  expect(await ask()).toBe(true);
  await clock.until(holder.stop({ force: true }));
});

test('a machine that slept in between has not seen it for so long', async () => {
  const { clock, die, ask } = stage();
  const holder = await die();
  await clock.advance(ttlMs / 2);
  expect(await ask()).toBe(false);
  clock.suspend(ttlMs);
  expect(await ask()).toBe(false);
  await clock.until(holder.stop({ force: true }));
});

test.each([
  { machine: undefined, isSeen: false },
  { machine: 'this one', isSeen: true },
])(
  'what was seen counts for the next one only where the machine is known: $machine',
  async ({ machine, isSeen }) => {
    const { clock, server, die } = stage();
    const holder = await die();
    await clock.advance(ttlMs / 2);
    const look = async () => {
      const store = server.openLocks(settleLocks({ clock }).candidate, 5_000);
      const parts = { store, clock, logger: silentLogger, machineId: () => machine };
      const seen = await new Silence(parts).hasSeenOut('cron');
      await store.close();
      return seen;
    };
    expect(await look()).toBe(false);
    await clock.advance(ttlMs);
    expect(await look()).toBe(isSeen);
    await clock.until(holder.stop({ force: true }));
  },
);
