import { describe, expect, test } from 'vitest';
import { deferred } from '../../src/core/deferred.ts';
import { setup, trustMs, ttlMs } from './controllers.ts';

const heartbeatMs = ttlMs / 5;

async function pair() {
  const world = setup();
  const [one, two] = [world.add({ label: 'one' }), world.add({ label: 'two' })];
  await one.start();
  void two.start();
  await world.clock.advance(1_000);
  return { ...world, one, two };
}

describe('a controller knows of itself', () => {
  test('before it is started that it has no session and no leader', () => {
    const { add } = setup();
    expect(add().standing()).toEqual({
      state: 'stopped',
      token: undefined,
      validForMs: 0,
      lastBeatAgeMs: undefined,
      ttlMs,
      heartbeatMs,
      isConnected: false,
      failures: 0,
      leader: undefined,
    });
  });

  test('as leader for how long it is valid, from when its last acknowledged beat was sent', async () => {
    const { one, clock } = await pair();
    const { token, instance, label } = { token: one.term?.token, ...one };
    expect(one.standing()).toMatchObject({
      state: 'active',
      token,
      validForMs: trustMs - 1_000,
      lastBeatAgeMs: 1_000,
      isConnected: true,
      leader: { token, instance, label },
    });
    await clock.advance(heartbeatMs - 1_000);
    expect(one.standing()).toMatchObject({ validForMs: trustMs, lastBeatAgeMs: 0 });
  });

  test('as standby whom it sees beat, and nobody once the beats have stopped', async () => {
    const { one, two, clock, server } = await pair();
    expect(two.standing()).toMatchObject({
      state: 'passive',
      token: undefined,
      validForMs: 0,
      isConnected: true,
      leader: { label: 'one', token: one.term?.token },
    });
    server.goDown();
    await clock.advance(ttlMs);
    expect(two.standing()).toMatchObject({ isConnected: false, leader: undefined });
    expect(two.standing().failures).toBeGreaterThan(1);
    server.comeUp();
    await clock.advance(ttlMs);
    expect([one, two].map((each) => each.standing().leader?.token)).toEqual(
      Array(2).fill([one, two].find((each) => each.isActive())?.term?.token),
    );
  });

  test('that nobody leads as soon as it hears that the leader has gone', async () => {
    const { one, two, clock } = await pair();
    await one.stop();
    expect(two.standing().leader).toMatchObject(two.isActive() ? { label: 'two' } : {});
    await clock.advance(0);
    expect(two.standing().leader).toMatchObject({ label: 'two' });
  });

  test('while it drains its token and its beats, and that it is valid no more', async () => {
    const { one, clock } = await pair();
    const { token } = one.standing();
    const work = deferred();
    void one.track(work.promise);
    const stopped = one.stop();
    await clock.advance(2 * heartbeatMs);
    const standing = one.standing();
    expect(standing).toMatchObject({ state: 'draining', token, validForMs: 0, isConnected: true });
    expect(standing.lastBeatAgeMs).toBeLessThanOrEqual(heartbeatMs);
    work.resolve();
    await stopped;
  });
});

describe('a controller tells', () => {
  test('of each beat how long it took', async () => {
    const { one, clock } = await pair();
    const beats: unknown[] = [];
    one.on('beat', (beat) => beats.push(beat));
    await clock.advance(2 * heartbeatMs);
    const { token } = one.standing();
    expect(beats).toEqual(Array(2).fill({ token, roundTripMs: 0, isKept: true }));
  });

  test('of a beat whose session broke that it is not kept', async () => {
    const { one, clock, server } = await pair();
    const beats: unknown[] = [];
    one.on('beat', ({ isKept }) => beats.push(isKept));
    server.cutOff(one);
    await clock.advance(ttlMs + heartbeatMs);
    expect(beats).toContain(false);
    expect(beats).not.toContain(true);
    server.mend(one);
    await clock.advance(ttlMs);
  });

  test('how long its work took to finish, once it has', async () => {
    const { one, clock } = await pair();
    const drains: unknown[] = [];
    const { token } = one.standing();
    one.on('drained', (drain) => drains.push(drain));
    const work = deferred();
    void one.track(work.promise);
    const stopped = one.stop();
    await clock.advance(1_500);
    expect(drains).toEqual([]);
    work.resolve();
    await stopped;
    expect(drains).toEqual([{ token, tookMs: 1_500 }]);
  });

  test('of each notice whether it was sent', async () => {
    const { one, two } = await pair();
    const told: boolean[] = [];
    for (const each of [one, two]) each.on('notice', ({ isSent }) => told.push(isSent));
    expect([one, two, two].map((each) => each.passiveNotice('chat'))).toEqual([false, true, false]);
    expect(told).toEqual([true, false]);
  });
});

describe('one that may not lead', () => {
  test('sees who leads, and leaves a free seat alone', async () => {
    const { clock, add } = setup();
    const observer = add({ label: 'observer', eligible: false });
    await clock.until(observer.start());
    await clock.advance(3 * ttlMs);
    expect(observer.standing()).toMatchObject({
      state: 'passive',
      isConnected: true,
      leader: undefined,
    });
    const leader = add({ label: 'leader' });
    await clock.until(leader.start());
    expect(leader.isActive()).toBe(true);
    await clock.advance(heartbeatMs);
    expect(observer.standing().leader).toMatchObject({ label: 'leader' });
    await clock.until(leader.stop());
    await clock.advance(2 * ttlMs);
    expect(observer.standing()).toMatchObject({ state: 'passive', leader: undefined });
    await clock.until(observer.stop());
  });
});
