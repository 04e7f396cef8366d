import { describe, expect, test, vi } from 'vitest';
import { ControlLink, pause } from '../../src/core/control.ts';
import { deferred } from '../../src/core/deferred.ts';
import { silentLogger } from '../../src/core/log.ts';
import { settleOptions } from '../../src/core/options.ts';
import type { ControlHooks, ControlSession, SessionOptions, Store } from '../../src/core/store.ts';
import { FakeClock, settle } from '../../src/testing/fake-clock.ts';

/** A server that answers when, and as, a test says so. */
function setup() {
  const clock = new FakeClock();
  const { candidate } = settleOptions({ name: 'telegram-bot' });
  const marks: bigint[] = [];
  const server = {
    open: 0,
    isDown: false,
    gate: Promise.resolve(),
    hooks: undefined as ControlHooks | undefined,
    mark: async (token: bigint): Promise<boolean> => {
      marks.push(token);
      return true;
    },
  };
  const store: Pick<Store, 'openControl'> = {
    openControl: vi.fn(async (_who: unknown, { hooks }: SessionOptions<ControlHooks>) => {
      await server.gate;
      if (server.isDown) throw new Error('connect ECONNREFUSED');
      server.open += 1;
      server.hooks = hooks;
      let isOpen = true;
      const leave = (): void => {
        if (isOpen) server.open -= 1;
        isOpen = false;
      };
      const session: ControlSession = {
        backend: 1,
        testify: (token) => server.mark(token),
        answerHandoff: async () => true,
        destroy: leave,
        close: async () => leave(),
      };
      return session;
    }),
  };
  const logger = { ...silentLogger, debug: vi.fn(), info: vi.fn(), warn: vi.fn() };
  const link = new ControlLink({
    store: store as Store,
    candidate,
    clock,
    random: () => 0.5,
    logger,
    connectTimeoutMs: 5_000,
    reconnectMaxMs: 1_000,
  });
  return { clock, server, store, link, marks, logger };
}

describe('the control session', () => {
  test('is made once, hears notices, and is closed by stop', async () => {
    const { server, link } = setup();
    const hear = vi.fn();
    link.start(hear);
    link.start(hear);
    await settle();
    expect(server.open).toBe(1);
    const notice = { kind: 'ended', token: 5n, reason: undefined } as const;
    server.hooks?.notice(notice);
    expect(hear).toHaveBeenCalledExactlyOnceWith(notice);
    await link.stop();
    expect(server.open).toBe(0);
  });

  test('is made anew after a loss, with pauses that grow while the server is down', async () => {
    const { clock, server, store, link, logger } = setup();
    link.start(() => {});
    await settle();
    server.isDown = true;
    server.hooks?.lost(new Error('reset'));
    await clock.advance(60_000);
    const attempts = vi.mocked(store.openControl).mock.calls.length;
    expect(attempts).toBeGreaterThan(60);
    expect(attempts).toBeLessThan(130);
    expect(logger.warn).toHaveBeenCalledTimes(1);
    server.isDown = false;
    await clock.advance(1_000);
    expect(server.hooks).toBeDefined();
    await link.stop();
    expect(clock.pending).toBe(0);
  });

  test('that cannot be had is told about once a minute, each try at debug, and that it was had again', async () => {
    const { clock, server, link, logger } = setup();
    server.isDown = true;
    link.start(() => {});
    await clock.advance(150_000);
    const told = vi.mocked(logger.warn).mock.calls;
    expect(told).toHaveLength(3);
    expect(told[0]).toEqual([
      { code: 'LOCKD_CONNECTION', reason: 'connect ECONNREFUSED' },
      'could not register',
    ]);
    expect(told[1]?.[0]).toMatchObject({ tries: expect.any(Number) });
    const untold = vi.mocked(logger.debug).mock.calls.length;
    expect(untold).toBeGreaterThan(100);
    expect(logger.info).not.toHaveBeenCalled();
    server.isDown = false;
    await clock.advance(1_000);
    const again = [{ failures: untold + told.length }, 'registered again'];
    expect(logger.info.mock.calls).toEqual([again]);
    await link.stop();
  });

  test('that is lost and cannot be had now and then is told about once a minute, too', async () => {
    const { clock, server, link, logger } = setup();
    link.start(() => {});
    for (let turns = 0; turns < 50; turns += 1) {
      server.isDown = true;
      server.hooks?.lost(new Error('reset'));
      await clock.advance(1_500);
      server.isDown = false;
      await clock.advance(1_500);
    }
    expect(logger.warn).toHaveBeenCalledTimes(3);
    expect(logger.info).toHaveBeenCalledTimes(3);
    await link.stop();
  });

  test('is made anew when it is told to reconnect, and the old one is gone', async () => {
    const { clock, server, store, link } = setup();
    link.start(() => {});
    await settle();
    link.reconnect();
    await clock.advance(1_000);
    expect(store.openControl).toHaveBeenCalledTimes(2);
    expect(server.open).toBe(1);
    await link.stop();
  });

  test.each([
    ['reconnect', (link: ControlLink) => link.reconnect()],
    ['stop', (link: ControlLink) => void link.stop()],
  ])('that is still being made at a %s is not left open', async (_, leave) => {
    const { clock, server, link } = setup();
    const made = deferred();
    server.gate = made.promise;
    link.start(() => {});
    await settle();
    leave(link);
    made.resolve();
    await clock.advance(2_000);
    await link.stop();
    expect(server.open).toBe(0);
  });

  test('can be started again after a stop', async () => {
    const { server, link } = setup();
    link.start(() => {});
    await settle();
    await link.stop();
    link.start(() => {});
    await settle();
    expect(server.open).toBe(1);
    await link.stop();
  });
});

describe('a mark', () => {
  test('is set, and says whether the term is over', async () => {
    const { link, marks } = setup();
    link.start(() => {});
    await settle();
    expect(await link.testify(5n, 'confession', 'session-lost', Number.POSITIVE_INFINITY)).toBe(
      true,
    );
    expect(marks).toEqual([5n]);
    await link.stop();
  });

  test('waits for the session that is being made', async () => {
    const { clock, server, link } = setup();
    const made = deferred();
    server.gate = made.promise;
    link.start(() => {});
    const mark = link.testify(5n, 'confession', 'session-lost', clock.mono() + 10_000);
    await clock.advance(2_000);
    made.resolve();
    expect(await mark).toBe(true);
    await link.stop();
  });

  test('that failed is tried again on a new session', async () => {
    const { clock, server, link } = setup();
    const works = server.mark;
    server.mark = async () => {
      server.mark = works;
      throw new Error('reset');
    };
    link.start(() => {});
    await settle();
    const mark = link.testify(5n, 'confession', 'session-lost', clock.mono() + 10_000);
    await clock.advance(1_000);
    expect(await mark).toBe(true);
    expect(server.open).toBe(1);
    expect(clock.pending, 'what waited for the session waits no more').toBe(0);
    await link.stop();
  });

  test('of a death is given up when the lease is over anyway', async () => {
    const { clock, server, link } = setup();
    server.isDown = true;
    link.start(() => {});
    const mark = link.testify(5n, 'testimony', 'its process died', clock.mono() + 3_000);
    await clock.advance(4_000);
    expect(await mark).toBe(false);
    await link.stop();
  });

  test('of one’s own is tried beyond the lease: an heir may have been granted the seat late', async () => {
    const { clock, server, link } = setup();
    server.isDown = true;
    link.start(() => {});
    const mark = link.testify(5n, 'confession', 'session-lost', clock.mono() + 3_000);
    await clock.advance(10_000);
    server.isDown = false;
    await clock.advance(3_000);
    expect(await mark).toBe(true);
    await link.stop();
  });

  test('of one’s own holds up a stop no longer than its lease', async () => {
    const { clock, server, link } = setup();
    server.isDown = true;
    link.start(() => {});
    await settle();
    const mark = link.testify(5n, 'confession', 'session-lost', clock.mono() + 500);
    const stopped = link.stop();
    await clock.advance(600);
    await stopped;
    expect(await mark).toBe(false);
  });

  test('that is being set is finished before a stop closes its session', async () => {
    const { server, link } = setup();
    const answered = deferred<boolean>();
    server.mark = () => answered.promise;
    link.start(() => {});
    await settle();
    const mark = link.testify(5n, 'confession', 'stopped', Number.POSITIVE_INFINITY);
    const stopped = link.stop();
    await settle();
    expect(server.open).toBe(1);
    answered.resolve(true);
    await stopped;
    expect(await mark).toBe(true);
    expect(server.open).toBe(0);
  });

  test('that cannot be set is not tried for ever by a stop', async () => {
    const { clock, server, link } = setup();
    server.isDown = true;
    link.start(() => {});
    await settle();
    const mark = link.testify(6n, 'confession', 'stopped', clock.mono() + 1_000_000);
    const stopped = link.stop();
    await clock.advance(10_000); // as long as a connection may take, and no longer
    await stopped;
    expect(await mark).toBe(false);
  });

  test('while the session of a second start is being made leaves the process its turns', async () => {
    const { clock, server, link } = setup();
    server.isDown = true;
    link.start(() => {});
    await settle();
    await link.stop();
    server.gate = new Promise(() => {});
    link.start(() => {});
    let asked = 0;
    const mono = clock.mono.bind(clock);
    const until = clock.mono() + 10_000;
    // Were it to ask the clock in a circle without end, no turn would come to end it.
    clock.mono = () => {
      asked += 1;
      return asked > 1_000 ? until : mono();
    };
    void link.testify(5n, 'confession', 'session-lost', until);
    await settle();
    expect(asked).toBeLessThan(100);
  });
});

test('a pause ends with its time or with its signal, and leaves no timer', async () => {
  const clock = new FakeClock();
  const abort = new AbortController();
  const ended = vi.fn();
  void pause(clock, 1_000, abort.signal).then(ended);
  await clock.advance(999);
  expect(ended).not.toHaveBeenCalled();
  await clock.advance(1);
  await settle();
  expect(ended).toHaveBeenCalledTimes(1);
  const cut = pause(clock, 1_000, abort.signal);
  abort.abort();
  await cut;
  await pause(clock, 1_000, abort.signal);
  expect(clock.pending).toBe(0);
});
