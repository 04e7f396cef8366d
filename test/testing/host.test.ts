import { describe, expect, test } from 'vitest';
import { type TestControllerOptions, testController } from '../../src/testing/index.ts';
import { heldResources } from '../support/leaks.ts';
import { deferred } from '../support/wait.ts';
import { name, setup, stopBots, ttlMs } from './bots.ts';

stopBots();

test('the example of the documentation does what it says', async () => {
  const { clock, server } = setup();
  const one = testController({ server, name });
  const two = testController({ server, name });
  await one.start();
  expect(one.state).toBe('active');
  await clock.until(two.start());
  expect(two.state).toBe('passive');
  server.terminate(one);
  await clock.until(two.whenActive());
  expect([one.state, two.state]).toEqual(['passive', 'active']);
  await clock.until(Promise.all([one.stop(), two.stop()]));
  expect([one.state, two.state]).toEqual(['stopped', 'stopped']);
});

describe('a bot', () => {
  test('replies while it leads, and otherwise says so once a minute', async () => {
    const { clock, two } = setup();
    const [leader, standby] = await two();
    await leader.hear('chat 1', 'hello');
    for (const chat of ['chat 1', 'chat 1', 'chat 2']) await standby.hear(chat, 'hello');
    expect(leader.sent).toEqual(['chat 1: hello!']);
    expect(standby.sent).toEqual(['chat 1: not me, now', 'chat 2: not me, now']);
    await clock.advance(60_000);
    await standby.hear('chat 1', 'hello');
    expect(standby.sent).toHaveLength(3);
  });

  test('stops with a session that an administrator ended, and its successor need not wait', async () => {
    const { clock, server, two } = setup();
    const [leader, standby] = await two();
    const { term } = leader.lock;
    expect(server.terminate(leader.lock)).toBe(2);
    await clock.advance(0);
    expect(leader.lock.isActive()).toBe(false);
    expect(leader.told).toEqual(['active', 'passive: session-lost']);
    expect(term?.signal.reason).toMatchObject({ code: 'LOCKD_LOST' });
    await clock.until(standby.lock.whenActive());
    expect(standby.told).toEqual(['active']);
    expect(standby.lock.term?.token).toBeGreaterThan(term?.token as bigint);
    await standby.hear('chat 1', 'hello');
    expect(standby.sent).toEqual(['chat 1: hello!']);
  });

  test('that loses one of its two sessions stops only for that of the seat', async () => {
    const { clock, server, add } = setup();
    const { lock, told } = add();
    await lock.start();
    const { instance } = lock;
    expect(server.terminate({ instance, kind: 'control' })).toBe(1);
    await clock.advance(1_000);
    expect(told).toEqual(['active']);
    expect(server.terminate({ name, kind: 'seat' })).toBe(1);
    await clock.advance(0);
    expect(told).toEqual(['active', 'passive: session-lost', 'active']);
  });

  test.each(['stop', 'resign'] as const)(
    'finishes its work before its successor begins: %s',
    async (leave) => {
      const { clock, two } = setup();
      const [leader, standby] = await two();
      const elsewhere = deferred();
      leader.elsewhere = elsewhere.promise;
      const reply = leader.hear('chat 1', 'hello');
      const left = leader.lock[leave]();
      expect(leader.lock.isActive()).toBe(false);
      await clock.advance(5 * ttlMs);
      expect(leader.lock.state).toBe('draining');
      expect(standby.lock.state).toBe('passive');
      elsewhere.resolve();
      await clock.advance(0);
      await Promise.all([reply, left]);
      expect(leader.sent).toEqual(['chat 1: hello!']);
      expect(standby.lock.state).toBe('active');
    },
  );

  test('resigns when an operator asks', async () => {
    const { clock, server, two } = setup();
    const [leader, standby] = await two();
    expect(server.resign(name)).toBe(true);
    await clock.advance(0);
    expect(leader.told).toEqual(['active', 'passive: resigned']);
    expect(standby.told).toEqual(['active']);
    expect(server.leaseOf(name)).toMatchObject({ label: 'host-2', isEnded: false });
  });

  test('does not lead while the server is down, and does again when it is up', async () => {
    const { clock, server, two } = setup();
    const [leader, standby] = await two();
    const token = leader.lock.term?.token as bigint;
    server.goDown();
    await clock.advance(60_000);
    expect([leader.lock.state, standby.lock.state]).toEqual(['passive', 'passive']);
    server.comeUp();
    await clock.advance(3_000);
    const leading = [leader, standby].filter(({ lock }) => lock.isActive());
    expect(leading).toHaveLength(1);
    expect(leading[0]?.lock.term?.token).toBeGreaterThan(token);
  });

  test('starts although the server is down, and leads when it is up', async () => {
    const { clock, server, add } = setup();
    server.goDown();
    const { lock } = add();
    await lock.start();
    expect(lock.state).toBe('passive');
    server.comeUp();
    await clock.advance(2_000);
    expect(lock.state).toBe('active');
  });

  test('survives a restart of the server with a new term', async () => {
    const { clock, server, add } = setup();
    const { lock, told } = add();
    await lock.start();
    server.restart();
    await clock.advance(2_000);
    expect(told).toEqual(['active', 'passive: session-lost', 'active']);
  });

  test('of another name is led on its own', async () => {
    const { clock, server, add } = setup();
    const [one, other] = [add(), add({ name: 'discord-bot' })];
    await Promise.all([one.lock.start(), other.lock.start()]);
    expect([one.lock.isActive(), other.lock.isActive()]).toEqual([true, true]);
    expect(server.terminate({ name })).toBe(2);
    await clock.advance(0);
    expect(one.told).toContain('passive: session-lost');
    expect(other.told).toEqual(['active']);
  });
});

test('an hour of leading takes no timer of the process, and sees every beat', async () => {
  const before = heldResources();
  const { clock, server, two } = setup();
  const [leader] = await two();
  await clock.advance(3_600_000);
  expect(leader.told).toEqual(['active']);
  expect(server.leaseOf(name).beat).toBeGreaterThan(3_600_000 / (ttlMs / 5) - 2);
  expect(heldResources()['Timeout'] ?? 0).toBeLessThanOrEqual(before['Timeout'] ?? 0);
});

test('an unknown option is refused, with the one that was meant', () => {
  const { server } = setup();
  const options = { server, name, ttl: 5 } as TestControllerOptions;
  expect(() => testController(options)).toThrow(
    expect.objectContaining({
      code: 'LOCKD_INVALID_OPTION',
      message: expect.stringContaining('`ttlMs`'),
    }),
  );
});

test('each run of a test sees the same tokens', async () => {
  const tokens = [];
  for (let run = 0; run < 2; run += 1) {
    const { lock } = setup().add();
    await lock.start();
    tokens.push(lock.term?.token);
  }
  expect(tokens[0]).toBeTypeOf('bigint');
  expect(tokens[1]).toBe(tokens[0]);
});
