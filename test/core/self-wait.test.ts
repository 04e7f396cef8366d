import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { SingletonLockController } from '../../src/core/controller.ts';
import { deferred } from '../../src/core/deferred.ts';
import { silentLogger } from '../../src/core/log.ts';
import { settle } from '../../src/testing/fake-clock.ts';
import { setup } from './controllers.ts';

const itself = { code: 'LOCKD_SELF_WAIT', isRetryable: false };

let world: ReturnType<typeof setup>;
let one: SingletonLockController;

beforeEach(async () => {
  world = setup();
  one = world.add({ drainTimeoutMs: 1_000 });
  await one.start();
});

afterEach(async () => {
  await world.clock.until(one.stop());
});

/** What may be begun within work once it has left; each one waits for the next term. */
const waits: Readonly<Record<string, () => Promise<unknown>>> = {
  'whenActive()': () => one.whenActive(),
  'terms()': () => one.terms().next(),
  'whileActive()': () => one.whileActive(() => {}),
};

describe.each(['gated', 'whileActive'] as const)('work in %s', (way) => {
  /** Runs `piece` as work, once; what comes of it. */
  async function within<Value>(piece: () => Promise<Value>): Promise<Value> {
    const answer = deferred<Value>();
    answer.promise.catch(() => {}); // asked for when the work has been let go, too
    const work = (): Promise<void> => piece().then(answer.resolve, answer.reject);
    if (way === 'gated') await one.gated(work)();
    else {
      const done = new AbortController();
      const worked = one.whileActive(() => work().then(() => done.abort()), {
        signal: done.signal,
      });
      await world.clock.until(worked.catch(() => {}));
    }
    return answer.promise;
  }

  const asked = { ...waits, 'start()': () => one.start() };
  test.each(Object.keys(asked))(
    'that stops and awaits %s is told that it would wait for itself',
    async (call) => {
      const ask = asked[call as keyof typeof asked] as () => Promise<unknown>;
      const told = within(async () => {
        await one.stop();
        await ask();
      });
      await expect(told).rejects.toMatchObject(itself);
      await world.clock.advance(10_000);
      expect(one.state).toBe('stopped');
    },
  );

  test.each(Object.keys(waits))('that resigns and awaits %s is told, too', async (call) => {
    const told = within(async () => {
      await one.resign();
      await waits[call]?.();
    });
    await expect(told).rejects.toMatchObject(itself);
    await world.clock.advance(10_000);
  });

  test.each(Object.keys(waits))(
    'whose term was lost and that awaits %s is told, too',
    async (call) => {
      const told = within(async () => {
        world.server.restart();
        await settle();
        expect(one.isActive()).toBe(false);
        await waits[call]?.();
      });
      await expect(told).rejects.toMatchObject(itself);
    },
  );

  test('whose deadline has passed is told before any timer has noticed', async () => {
    const told = within(async () => {
      world.clock.stall(10_000);
      await one.whenActive();
    });
    await expect(told).rejects.toMatchObject(itself);
  });

  test('that loops over the terms is told when its own one has been used', async () => {
    const seen: bigint[] = [];
    const told = within(async () => {
      for await (const term of one.terms()) seen.push(term.token);
    });
    await expect(told).rejects.toMatchObject(itself);
    expect(seen).toHaveLength(1);
  });

  test('has its own term at once, and a start that has been made', async () => {
    const { term } = one;
    expect(await within(() => one.whenActive())).toBe(term);
  });

  test('has a start that was made already, also when it has resigned', async () => {
    await within(async () => {
      await one.resign();
      await one.start();
    });
  });
});

test('work that a forced stop gave up on starts nothing that would wait for it', async () => {
  const stopped = deferred();
  const told = one.gated(async () => {
    await one.stop({ force: true });
    await stopped.promise;
    await one.start();
  })();
  const refused = expect(told).rejects.toMatchObject(itself);
  await world.clock.until(one.stop({ force: true }));
  expect(one.state).toBe('stopped');
  stopped.resolve();
  await refused;
});

test('a start within work that nobody awaits starts nothing, ends no process, and is warned about in the log', async () => {
  const unhandled = vi.fn();
  process.on('unhandledRejection', unhandled);
  try {
    const warn = vi.fn();
    const other = world.add({ name: 'other', logger: { ...silentLogger, warn } });
    await other.start();
    await other.gated(async () => {
      await other.stop();
      void other.start();
    })();
    await world.clock.advance(1_000);
    await settle();
    expect(other.state).toBe('stopped');
    expect(warn).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'LOCKD_SELF_WAIT', name: 'other' }),
      'did not start within work',
    );
    expect(unhandled).not.toHaveBeenCalled();
  } finally {
    process.off('unhandledRejection', unhandled);
  }
});

describe('nobody else is told so:', () => {
  test('what work has left behind may wait for the next term', async () => {
    const begun = deferred<Promise<unknown>>();
    await one.gated(() => {
      setImmediate(() => begun.resolve(one.resign().then(() => one.whenActive())));
    })();
    expect(await world.clock.until(begun.promise)).toBe(one.term);
  });

  test.each(['stop', 'resign'] as const)(
    'a listener that hears of it when work calls %s()',
    async (leave) => {
      const heard = vi.fn();
      one.once('passive', async () => {
        await one.start();
        heard(await one.whenActive());
      });
      const aborted = vi.fn();
      one.term?.signal.addEventListener('abort', () => one.start().then(aborted));
      await one.gated(() => one[leave]())();
      await world.clock.advance(1_000);
      expect(heard).toHaveBeenCalledExactlyOnceWith(one.term);
      expect(aborted).toHaveBeenCalledOnce();
      expect(one.isActive()).toBe(true);
    },
  );

  test('a listener of another controller that work has started', async () => {
    const other = world.add({ name: 'other' });
    const heard = vi.fn();
    other.on('active', () => one.stop().then(() => heard(one.state)));
    const ended = deferred();
    await Promise.all([
      one.gated(async () => {
        await other.start();
        await ended.promise;
      })(),
      world.clock.advance(1_000).then(() => {
        expect(heard).not.toHaveBeenCalled();
        ended.resolve();
      }),
    ]);
    await world.clock.advance(1_000);
    expect(heard).toHaveBeenCalledExactlyOnceWith('stopped');
    await other.stop();
  });

  test('work that waits for another controller', async () => {
    const other = world.add({ name: 'other' });
    await other.start();
    const next = one.gated(async () => {
      await other.resign();
      return other.whenActive();
    })();
    await world.clock.advance(1_000);
    expect(await next).toEqual({ ran: true, value: other.term });
    await other.stop();
  });
});
