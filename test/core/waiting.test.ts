import { describe, expect, test, vi } from 'vitest';
import { deferred } from '../../src/core/deferred.ts';
import { LockdError } from '../../src/core/errors.ts';
import type { Term } from '../../src/core/term.ts';
import { settle } from '../../src/testing/fake-clock.ts';
import { isHeld, listen, setup, trustMs } from './controllers.ts';

const reason = new Error('enough');

describe('whenActive', () => {
  test('does not wait for a start that was refused', async () => {
    const { server, add } = setup();
    const refusal = new LockdError('LOCKD_SCHEMA_MISSING', 'migrate first');
    server.openSeat = () => Promise.reject(refusal);
    const one = add();
    const waiting = expect(one.whenActive()).rejects.toMatchObject({ code: 'LOCKD_STOPPED' });
    await expect(one.start()).rejects.toBe(refusal);
    await waiting;
  });

  test('resolves with the term at once while the gate is open', async () => {
    const { add } = setup();
    const one = add();
    await one.start();
    expect(await one.whenActive()).toBe(one.term);
  });

  test('waits for the gate, and leaves no listener behind', async () => {
    const { clock, add } = setup();
    const [one, two] = [add(), add()];
    await one.start();
    void two.start();
    const waiting = two.whenActive({ signal: new AbortController().signal });
    await clock.advance(1_000);
    await one.stop();
    const term = await waiting;
    expect(term).toBe(two.term);
    expect(two.listenerCount('active') + two.listenerCount('stopped')).toBe(0);
  });

  test("rejects with the signal's own reason, before and while it waits", async () => {
    const { add } = setup();
    const one = add();
    await expect(one.whenActive({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const abort = new AbortController();
    const waiting = one.whenActive({ signal: abort.signal });
    abort.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    expect(one.listenerCount('active')).toBe(0);
  });

  test('rejects with LOCKD_STOPPED when the controller is stopped', async () => {
    const { clock, add } = setup();
    const [one, two] = [add(), add()];
    await one.start();
    const started = two.start();
    await clock.advance(1_000);
    await started;
    const refused = expect(two.whenActive()).rejects.toMatchObject({ code: 'LOCKD_STOPPED' });
    await two.stop();
    await refused;
  });
});

test.each(['stop', Symbol.asyncDispose] as const)(
  'whoever waits for a term before the first start is answered by %s',
  async (leave) => {
    const one = setup().add();
    const refused = expect(one.whenActive()).rejects.toMatchObject({ code: 'LOCKD_STOPPED' });
    const over = expect(one.terms().next()).resolves.toEqual({ done: true, value: undefined });
    await one[leave]();
    await refused;
    await over;
  },
);

test('whoever waits for a term before the first start has it afterwards', async () => {
  const one = setup().add();
  const [waiting, next] = [one.whenActive(), one.terms().next()];
  await one.start();
  expect(await waiting).toBe(one.term);
  expect((await next).value).toBe(one.term);
});

test('any number may wait for a term, and Node does not warn of their listeners', async () => {
  const warned = vi.fn();
  process.on('warning', warned);
  const one = setup().add();
  const waits = Array.from({ length: 20 }, () => one.whenActive());
  await one.start();
  expect(new Set(await Promise.all(waits))).toEqual(new Set([one.term]));
  await new Promise(setImmediate); // a warning is told in a tick of its own
  process.off('warning', warned);
  expect(warned).not.toHaveBeenCalled();
});

test('whoever waits for a term after a stop is told at once, until somebody starts anew', async () => {
  const one = setup().add();
  await one.start();
  await one.stop();
  await expect(one.whenActive()).rejects.toMatchObject({ code: 'LOCKD_STOPPED' });
  expect(await one.terms().next()).toEqual({ done: true, value: undefined });
  await one.start();
  expect(await one.whenActive()).toBe(one.term);
  await one.stop();
});

describe('terms', () => {
  test('yields each term once, and ends when the controller is stopped', async () => {
    const { clock, server, add } = setup();
    const one = add();
    const seen: bigint[] = [];
    const loop = (async () => {
      for await (const term of one.terms()) seen.push(term.token);
    })();
    await one.start();
    await settle();
    server.restart();
    await clock.advance(1_000);
    await one.stop();
    await loop;
    expect(seen).toHaveLength(2);
    expect(seen[1]).toBeGreaterThan(seen[0] as bigint);
  });

  test("keep the seat while the loop's body runs", async () => {
    const { clock, server, add } = setup();
    const one = add();
    await one.start();
    const body = deferred();
    const loop = (async () => {
      for await (const _ of one.terms()) await body.promise;
    })();
    await settle();
    const stopped = one.stop();
    await settle();
    expect(await isHeld(clock, server)).toBe(true);
    body.resolve();
    await stopped;
    await loop;
    expect(await isHeld(clock, server)).toBe(false);
  });

  test('let go when the loop is left', async () => {
    const { clock, server, add } = setup();
    const one = add();
    await one.start();
    for await (const _ of one.terms()) break;
    await one.stop();
    expect(await isHeld(clock, server)).toBe(false);
  });

  test("reject with the signal's own reason", async () => {
    const { add } = setup();
    const terms = add().terms({ signal: AbortSignal.abort(reason) });
    await expect(terms.next()).rejects.toBe(reason);
  });
});

describe('whileActive', () => {
  /** Work that heeds its signal when the term ends, however it ends. */
  const untilAborted = (term: Term): Promise<void> =>
    new Promise((_, reject) => {
      term.signal.addEventListener('abort', () => reject(term.signal.reason));
    });

  test('starts a stopped controller, runs the work per term, and stops what it started', async () => {
    const { clock, server, add } = setup();
    const one = add();
    const work = vi.fn(untilAborted);
    const abort = new AbortController();
    const done = expect(one.whileActive(work, { signal: abort.signal })).rejects.toBe(reason);
    await clock.advance(1_000);
    server.restart();
    await clock.advance(1_000);
    expect(work).toHaveBeenCalledTimes(2);
    abort.abort(reason);
    await done;
    expect(one.state).toBe('stopped');
  });

  test('aborted, it ends the term, waits for the work, and only then lets go', async () => {
    const { server, add } = setup();
    const one = add();
    await one.start();
    const told = await listen(server);
    const work = deferred();
    const abort = new AbortController();
    const settled = vi.fn();
    const done = one.whileActive(() => work.promise, { signal: abort.signal }).catch(settled);
    await settle();
    abort.abort(reason);
    await settle();
    expect(one.isActive()).toBe(false);
    expect(told).toEqual([]);
    expect(settled).not.toHaveBeenCalled();
    work.resolve();
    await done;
    expect(settled).toHaveBeenCalledWith(reason);
    await settle();
    expect(told[0]).toMatch(/^released/);
    await one.stop();
  });

  test('work that returns early resigns: whoever waits shall have the seat', async () => {
    const { clock, add } = setup();
    const [one, two] = [add(), add()];
    await one.start();
    void two.start();
    await clock.advance(1_000);
    const done = one.whileActive(async () => {});
    await clock.advance(1_000);
    expect([one.state, two.state]).toEqual(['passive', 'active']);
    await one.stop();
    await done;
  });

  test('work that throws resigns and rejects with what it threw', async () => {
    const { server, add } = setup();
    const one = add();
    await one.start();
    const told = await listen(server);
    const failing = one.whileActive(() => Promise.reject(reason));
    await expect(failing).rejects.toBe(reason);
    await settle();
    expect(told[0]).toMatch(/^released/);
    await one.stop();
  });

  test('work that throws because its term was aborted is not a failure', async () => {
    const { clock, server, add } = setup();
    const one = add();
    const reasons: unknown[] = [];
    const heed = async (term: Term) => {
      await untilAborted(term).catch((error) => {
        reasons.push(error);
        throw reasons.length === 1 ? error : new DOMException('aborted', 'AbortError');
      });
    };
    const done = one.whileActive(heed);
    await clock.advance(1_000);
    server.restart();
    await clock.advance(1_000);
    server.restart();
    await clock.advance(1_000);
    expect(one.isActive()).toBe(true);
    await one.stop();
    await done;
    expect(reasons).toHaveLength(3);
  });

  test('work that fails otherwise while its term is aborted is a failure', async () => {
    const { clock, server, add } = setup();
    const one = add();
    await one.start();
    const failing = one.whileActive((term) =>
      untilAborted(term).catch(() => Promise.reject(reason)),
    );
    const failed = expect(failing).rejects.toBe(reason);
    await clock.advance(1_000);
    server.restart();
    await clock.advance(1_000);
    await failed;
    await one.stop();
  });

  test('already aborted, it does not begin', async () => {
    const { server, add } = setup();
    const open = vi.spyOn(server, 'openSeat');
    const work = vi.fn();
    const signal = AbortSignal.abort(reason);
    await expect(add().whileActive(work, { signal })).rejects.toBe(reason);
    expect(work).not.toHaveBeenCalled();
    expect(open).not.toHaveBeenCalled();
  });

  test('aborted while its start hangs, it does not wait for the server', async () => {
    const { server, add } = setup();
    const one = add();
    server.cutOff(one);
    const abort = new AbortController();
    const settled = vi.fn();
    one.whileActive(() => {}, { signal: abort.signal }).catch(settled);
    await settle();
    abort.abort(reason);
    await settle();
    expect(settled).toHaveBeenCalledWith(reason);
  });
});

test('a term is frozen, and over for good once it has ended', async () => {
  const { clock, server, add } = setup();
  const one = add();
  await one.start();
  const term = one.term as Term;
  expect(Object.isFrozen(term)).toBe(true);
  expect(term.validForMs()).toBe(trustMs);
  server.restart();
  await clock.advance(1_000);
  expect(one.isActive()).toBe(true);
  expect(term.isActive()).toBe(false);
  expect(term.validForMs()).toBe(0);
  expect(term.signal.reason).toMatchObject({
    code: 'LOCKD_LOST',
    message: expect.stringContaining('session-lost'),
  });
});

test('no work begins under a gate that has closed while its term was handed over', async () => {
  const { clock, add } = setup();
  const one = add();
  await one.start();
  const begun: boolean[] = [];
  const done = new AbortController();
  const worked = one.whileActive(
    (term) => {
      begun.push(term.isActive());
    },
    { signal: done.signal },
  );
  const ended = expect(worked).rejects.toBe(reason);
  void one.resign(); // in the same turn, between the term and its work
  await clock.advance(1_000);
  done.abort(reason);
  await clock.advance(1_000);
  await ended;
  expect(begun).not.toContain(false);
});
