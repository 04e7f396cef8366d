import { describe, expect, test, vi } from 'vitest';
import { leftMs } from '../../src/core/clock.ts';
import { deferred } from '../../src/core/deferred.ts';
import type { Notice, SeatSession, ServerHealth } from '../../src/core/store.ts';
import { FakeClock, settle } from '../../src/testing/fake-clock.ts';
import type { MemoryServer } from '../../src/testing/index.ts';
import { setup } from './controllers.ts';

test('trust that is left is the lesser of the two clocks, and never negative', () => {
  const clock = new FakeClock();
  const until = { mono: clock.mono() + 500, boot: clock.boot() + 300 };
  expect(leftMs(until, clock)).toBe(300);
  clock.suspend(400);
  expect(leftMs(until, clock)).toBe(0);
  expect(leftMs({ ...until, boot: clock.boot() + 900 }, clock)).toBe(500);
  clock.stall(500);
  expect(leftMs({ ...until, boot: clock.boot() + 900 }, clock)).toBe(0);
});

test('the boot-time clock, which costs more, is not read once the monotonic one has said no', () => {
  const clock = new FakeClock();
  const boot = vi.spyOn(clock, 'boot');
  leftMs({ mono: clock.mono(), boot: Number.POSITIVE_INFINITY }, clock);
  expect(boot).not.toHaveBeenCalled();
});

describe('a seat session', () => {
  test('that arrives after it was given up is put away', async () => {
    const { clock, server, add } = setup();
    const arrivals: (() => void)[] = [];
    const open = server.openSeat.bind(server);
    vi.spyOn(server, 'openSeat').mockImplementation(async (who, options) => {
      const session = await open(who, options);
      await new Promise<void>((arrive) => arrivals.push(arrive));
      return session;
    });
    const one = add({ connectTimeoutMs: 1_000 });
    void one.start();
    await clock.advance(3_000);
    expect(arrivals.length).toBeGreaterThan(1);
    for (const arrive of arrivals.splice(0)) arrive();
    await settle();
    expect(server.terminate({ kind: 'seat' })).toBe(1);
  });

  test('is told to stop connecting when it is given up', async () => {
    const { clock, server, add } = setup();
    const signals: AbortSignal[] = [];
    vi.spyOn(server, 'openSeat').mockImplementation((_who, { signal }) => {
      signals.push(signal);
      return new Promise<SeatSession>(() => {});
    });
    const one = add({ connectTimeoutMs: 1_000 });
    void one.start();
    await clock.advance(900);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    await clock.advance(100);
    expect(signals[0]?.aborted).toBe(true);
    await one.stop();
  });

  test('is asked one thing at a time, through every kind of news', async () => {
    const { clock, server, add } = setup();
    let inFlight = 0;
    let most = 0;
    const open = server.openSeat.bind(server);
    const counting =
      <Args extends unknown[], Answer>(call: (...args: Args) => Promise<Answer>) =>
      async (...args: Args): Promise<Answer> => {
        inFlight += 1;
        most = Math.max(most, inFlight);
        const answer = await call(...args);
        inFlight -= 1;
        return answer;
      };
    vi.spyOn(server, 'openSeat').mockImplementation(async (who, options) => {
      const session = await open(who, options);
      for (const name of ['attempt', 'readLease', 'takeover', 'beat', 'release'] as const) {
        const call = session[name].bind(session) as (...args: unknown[]) => Promise<unknown>;
        Object.assign(session, { [name]: counting(call) });
      }
      return session;
    });
    const tell = teller(server);
    const one = add();
    await one.start();
    for (let round = 0; round < 20; round += 1) {
      await clock.advance(2_000 + round);
      tell({ kind: 'resign', token: one.term?.token ?? 0n, reason: undefined });
      tell({ kind: 'ended', token: 1n, reason: undefined });
    }
    await one.stop();
    expect(most).toBe(1);
  });
});

test('a guard hears until when each beat may be trusted, before the gate opens', async () => {
  const { clock, add } = setup();
  const heard: unknown[] = [];
  const witness = {
    vouch: (token: bigint, until: number) => heard.push([token, until - clock.mono()]),
    start: async () => {},
    stop: async () => {},
    reconnect: () => {},
  };
  const one = add({}, { witness });
  one.on('active', () => heard.push('active'));
  await one.start();
  const token = one.term?.token;
  await clock.advance(2_000);
  expect(heard).toEqual([[token, 10_000], 'active', [token, 10_000]]);
  await one.stop();
});

test('a server that is shutting down is left in time: its leader resigns and comes back later', async () => {
  const { clock, server, add } = setup();
  const one = add();
  const reasons: string[] = [];
  one.on('passive', (_term, reason) => reasons.push(reason));
  await one.start();
  const probe = vi.spyOn(server, 'probe').mockResolvedValue('shutting-down');
  await clock.advance(10_000);
  expect(reasons).toEqual(['server-shutdown']);
  probe.mockRestore();
  await clock.advance(5_000);
  expect(one.isActive()).toBe(true);
});

test('a storm of notices asks the server one question at a time', async () => {
  const { server, add } = setup();
  const tell = teller(server);
  const one = add();
  await one.start();
  const answer = deferred<ServerHealth>();
  const probe = vi.spyOn(server, 'probe').mockReturnValue(answer.promise);
  const left = { kind: 'released', token: 1n, reason: 'server-shutdown' } as const;
  const storm = (): void => {
    for (let count = 0; count < 100; count += 1) tell(left);
  };
  storm();
  expect(probe).toHaveBeenCalledTimes(1);
  answer.resolve('accepting');
  await settle();
  storm();
  expect(probe).toHaveBeenCalledTimes(2);
});

/** Tells the one controller of this server what the server itself has no reason to say. */
function teller(server: MemoryServer): (notice: Notice) => void {
  const open = vi.spyOn(server, 'openControl');
  return (notice) => open.mock.calls.at(-1)?.[1].hooks.notice(notice);
}
