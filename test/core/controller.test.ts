import { describe, expect, test, vi } from 'vitest';
import { deferred } from '../../src/core/deferred.ts';
import { LockdError } from '../../src/core/errors.ts';
import { settle } from '../../src/testing/fake-clock.ts';
import { diary, isHeld, name, setup, trustMs, ttlMs } from './controllers.ts';

describe('the gate', () => {
  test('is open after start when nobody else leads, and closed after stop', async () => {
    const { server, add } = setup();
    const one = add();
    expect(one.isActive()).toBe(false);
    await one.start();
    expect(one.isActive()).toBe(true);
    expect(one.state).toBe('active');
    expect(one.term).toMatchObject({ name: 'telegram-bot', instance: one.instance });
    await one.stop();
    expect(one.isActive()).toBe(false);
    expect(one.term).toBeUndefined();
    expect(one.state).toBe('stopped');
    expect(server.terminate({})).toBe(0);
  });

  test('is open for one of many, and start settles for the others, too', async () => {
    const { clock, add } = setup();
    const all = [add(), add(), add(), add()];
    const started = Promise.all(all.map((controller) => controller.start()));
    await clock.advance(1_000);
    await started;
    expect(all.filter((controller) => controller.isActive())).toHaveLength(1);
    expect(all.filter((controller) => controller.state === 'passive')).toHaveLength(3);
  });

  test('closes at the deadline though the event loop was blocked: no timer is needed', async () => {
    const { clock, add } = setup();
    const one = add();
    await one.start();
    const { term } = one;
    clock.stall(trustMs - 1);
    expect(one.isActive()).toBe(true);
    expect(term?.validForMs()).toBe(1);
    clock.stall(1);
    expect(one.isActive()).toBe(false);
    expect(one.term).toBeUndefined();
    expect(term?.isActive()).toBe(false);
    expect(one.state).toBe('draining');
  });

  test('closes when the machine slept past the deadline', async () => {
    const { clock, add } = setup();
    const one = add();
    await one.start();
    clock.suspend(trustMs);
    expect(one.isActive()).toBe(false);
  });

  test('stays open while beats are answered', async () => {
    const { clock, server, add } = setup();
    const one = add();
    await one.start();
    await clock.advance(10 * ttlMs);
    expect(one.isActive()).toBe(true);
    expect(server.leaseOf(name).beat).toBe(50);
  });

  test('work is aborted by its deadline on either clock: a suspend inside the lease counts', async () => {
    const { clock, server, add } = setup();
    const one = add();
    await one.start();
    const { term } = one;
    server.cutOff(one);
    clock.suspend(5_000);
    await clock.advance(trustMs - 5_000);
    expect(term?.isActive()).toBe(false);
    expect(term?.signal.aborted).toBe(true);
  });
});

describe('events', () => {
  test('there is one "passive" per "active", whatever ends the term', async () => {
    const { clock, server, add } = setup();
    const one = add();
    const told = diary(one);
    await one.start();
    server.restart();
    await clock.advance(3_000);
    server.cutOff(one);
    await clock.advance(trustMs);
    server.mend(one);
    await clock.advance(8_000);
    void one.resign();
    await clock.advance(3_000);
    await one.stop();
    const reasons = ['session-lost', 'deadline-passed', 'resigned', 'stopped'];
    expect(told).toEqual([
      ...reasons.flatMap((reason) => ['active', `passive: ${reason}`]),
      'stopped',
    ]);
  });

  test('when "passive" is told the gate is closed and the term aborted', async () => {
    const { add } = setup();
    const one = add();
    await one.start();
    const seen = vi.fn();
    one.on('passive', (term) => seen(one.isActive(), term.signal.aborted, term.signal.reason));
    await one.stop();
    expect(seen).toHaveBeenCalledWith(false, true, expect.objectContaining({ code: 'LOCKD_LOST' }));
  });

  test('a standby is told who leads, and its attempts', async () => {
    const { clock, add } = setup();
    const [one, two] = [add({ label: 'host-1' }), add()];
    await one.start();
    const observed = vi.fn();
    const attempts = vi.fn();
    two.on('observed', observed).on('attempt', attempts);
    void two.start();
    await clock.advance(3_000);
    expect(observed).toHaveBeenCalledExactlyOnceWith({
      token: one.term?.token,
      instance: one.instance,
      label: 'host-1',
    });
    expect(attempts.mock.calls.length).toBeGreaterThan(2);
  });
});

describe('start', () => {
  test('settles though the database is down, and the campaign goes on', async () => {
    const { clock, server, add } = setup();
    server.goDown();
    const one = add();
    const warnings: string[] = [];
    one.on('warning', ({ message }) => warnings.push(message));
    await one.start();
    expect(one.state).toBe('passive');
    expect(warnings).toEqual(['connect ECONNREFUSED']);
    server.comeUp();
    await clock.advance(1_000);
    expect(one.isActive()).toBe(true);
  });

  test('rejects with what retrying cannot heal, and can be called again', async () => {
    const { server, add } = setup();
    const refused = new LockdError('LOCKD_SCHEMA_MISSING', 'no schema');
    const open = vi.spyOn(server, 'openSeat').mockRejectedValueOnce(refused);
    const one = add();
    await expect(one.start()).rejects.toBe(refused);
    expect(one.state).toBe('stopped');
    expect(server.terminate({})).toBe(0);
    await one.start();
    expect(one.isActive()).toBe(true);
    expect(open).toHaveBeenCalledTimes(2);
  });

  test('called twice is one start, with one watcher', async () => {
    const { server, add } = setup();
    const one = add();
    const started = one.start();
    expect(one.start()).toBe(started);
    await started;
    expect(server.terminate({ kind: 'seat' })).toBe(1);
  });

  test('called while it stops begins anew afterwards', async () => {
    const { add } = setup();
    const one = add();
    const told = diary(one);
    await one.start();
    const stopped = one.stop();
    await one.start();
    await stopped;
    expect(told).toEqual(['active', 'passive: stopped', 'stopped', 'active']);
  });

  test('stopped before its first answer rejects with LOCKD_STOPPED', async () => {
    const { server, add } = setup();
    const one = add();
    server.cutOff(one);
    const started = one.start();
    const refusal = expect(started).rejects.toMatchObject({ code: 'LOCKD_STOPPED' });
    await settle();
    await one.stop();
    await refusal;
  });
});

describe('a registration that retrying cannot heal', () => {
  const denied = new LockdError('LOCKD_PRIVILEGE', 'permission denied for table instance');

  test('rejects start(), though the gate was open: the work is drained and the seat let go', async () => {
    const { clock, server, add } = setup();
    const answer = deferred();
    vi.spyOn(server, 'openControl').mockImplementation(async () => {
      await answer.promise;
      throw denied;
    });
    const one = add();
    const told = diary(one);
    const started = one.start();
    const refused = expect(started).rejects.toBe(denied);
    await one.whenActive();
    const work = deferred();
    void one.track(work.promise);
    answer.resolve();
    await settle();
    expect([one.state, await isHeld(clock, server)]).toEqual(['draining', true]);
    work.resolve();
    await refused;
    expect(told).toEqual(['active', 'passive: stopped', 'stopped']);
    expect([one.state, server.leaseOf(name).isEnded]).toEqual(['stopped', true]);
    expect(await isHeld(clock, server)).toBe(false);
  });

  test('does not end a campaign that start() has been answered for', async () => {
    const { clock, server, add } = setup();
    const one = add();
    await one.start();
    vi.spyOn(server, 'openControl').mockRejectedValue(denied);
    expect(server.terminate({ kind: 'control' })).toBe(1);
    await clock.advance(5_000);
    expect(server.openControl).toHaveBeenCalled();
    expect(one.isActive()).toBe(true);
  });

  test('is no reason to wait where the database is down: start() is answered at once', async () => {
    const { server, add } = setup();
    server.goDown();
    vi.spyOn(server, 'openControl').mockImplementation(
      (_who, { signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        }),
    );
    const one = add();
    await one.start();
    expect(one.state).toBe('passive');
    await one.stop();
  });
});

describe('while its guard starts', () => {
  function starting() {
    const { add } = setup();
    const begun = deferred();
    const order: string[] = [];
    const witness = {
      vouch: () => {},
      start: async () => {
        await begun.promise;
        order.push('started');
      },
      stop: async () => void order.push('stopped'),
      reconnect: () => {},
    };
    return { one: add({}, { witness }), begun, order };
  }

  test('a stop leaves no rejection behind that nobody hears', async () => {
    const unheard = vi.fn();
    process.on('unhandledRejection', unheard);
    try {
      const { one, begun } = starting();
      const started = one.start();
      const refused = expect(started).rejects.toMatchObject({ code: 'LOCKD_STOPPED' });
      const stopped = one.stop();
      await settle();
      begun.resolve();
      await Promise.all([refused, stopped]);
      await settle();
      expect(unheard).not.toHaveBeenCalled();
    } finally {
      process.off('unhandledRejection', unheard);
    }
  });

  test('a stop leaves no guard behind: it is ended after it has begun', async () => {
    const { one, begun, order } = starting();
    one.start().catch(() => {});
    const stopped = one.stop();
    await settle();
    begun.resolve();
    await stopped;
    await settle();
    expect(order).toEqual(['started', 'stopped']);
  });
});
