import { describe, expect, test } from 'vitest';
import { LockdError } from '../../../src/core/errors.ts';
import { isTrusted, trustedUntil } from '../../../src/core/machine/tenure.ts';
import { Driver, deeds, ended, foreign, only, rules, trustMs, vacant } from './driver.ts';

const lost = new LockdError('LOCKD_CONNECTION', 'reset by peer', { isRetryable: true });
const hopeless = new LockdError('LOCKD_SCHEMA_MISSING', 'no schema here');

describe('from stopped to ACTIVE', () => {
  test('start opens a session, and the session stands in the queue', () => {
    const driver = new Driver();
    expect(driver.send({ is: 'start' })).toEqual([{ do: 'open-seat', seat: 1 }]);
    expect(driver.phase.is).toBe('connecting');
    expect(deeds(driver.hear({ is: 'opened' }))).toEqual(['attempt']);
    expect(driver.phase.is).toBe('campaigning');
  });

  test('a busy seat answers start, and the next attempt begins at once', () => {
    const driver = new Driver().toCampaign();
    const effects = driver.hear({
      is: 'attempted',
      answer: { isGranted: false, lease: foreign },
    });
    expect(deeds(effects)).toEqual(['attempt', 'settle']);
    expect(only(effects, 'settle').error).toBeUndefined();
    expect(driver.phase.is).toBe('campaigning');
  });

  test('start is answered once, however many attempts follow', () => {
    const driver = new Driver().toCampaign();
    for (let attempt = 0; attempt < 5; attempt += 1) {
      driver.hear({ is: 'attempted', answer: { isGranted: false, lease: foreign } });
    }
    expect(driver.log.filter((effect) => effect.do === 'settle')).toHaveLength(1);
  });

  test.each([
    ['nobody ever led', vacant],
    ['whose last term is marked ended', ended],
  ])('a seat that %s is taken over at once', (_, lease) => {
    const driver = new Driver().toCampaign();
    const effects = driver.hear({ is: 'attempted', answer: { isGranted: true, lease } });
    expect(deeds(effects)).toEqual(['takeover']);
    expect(only(effects, 'takeover').bid).toEqual({
      token: lease.token,
      beat: lease.beat,
      isEnded: lease.isEnded,
      highestToken: lease.token,
      waitMs: 2_000,
    });
  });

  test('an acknowledged takeover opens the gate, after the guard knows until when', () => {
    const driver = new Driver().toInherit(ended);
    const sentAt = driver.now.mono;
    driver.pass(700);
    const effects = driver.hear({ is: 'bid', answer: { outcome: 'taken', token: 6n } });
    expect(deeds(effects)).toEqual(['vouch', 'open-gate', 'settle']);
    expect(only(effects, 'vouch').until).toBe(sentAt + rules.ttlMs);
    expect(only(effects, 'open-gate').token).toBe(6n);
    expect(driver.phase).toMatchObject({ is: 'active', token: 6n });
  });

  test('a start while something goes on only says that it is wanted', () => {
    const driver = new Driver().toActive();
    expect(driver.send({ is: 'start' })).toEqual([]);
    expect(driver.phase.is).toBe('active');
  });
});

describe('without a connection', () => {
  test('a session that cannot be had is tried again after a pause, and start is answered', () => {
    const driver = new Driver();
    driver.send({ is: 'start' });
    const effects = driver.hear({ is: 'broken', error: lost });
    expect(deeds(effects)).toEqual(['destroy-seat', 'settle']);
    expect(only(effects, 'settle').error).toBeUndefined();
    expect(only(effects, 'warn').error).toBe(lost);
    expect(driver.phase.is).toBe('cooling');
    expect(deeds(driver.elapse(rules.reconnectMaxMs))).toContain('open-seat');
  });

  test('what retrying cannot heal rejects start and ends the campaign, the first time', () => {
    const driver = new Driver();
    driver.send({ is: 'start' });
    const effects = driver.hear({ is: 'broken', error: hopeless });
    expect(deeds(effects)).toEqual(['settle', 'destroy-seat', 'halt']);
    expect(only(effects, 'settle').error).toBe(hopeless);
    expect(driver.phase.is).toBe('stopped');
  });

  test('what retrying cannot heal is retried all the same once start has been answered', () => {
    const driver = new Driver().toCampaign();
    driver.hear({ is: 'attempted', answer: { isGranted: false, lease: foreign } });
    driver.hear({ is: 'broken', error: hopeless });
    expect(driver.phase.is).toBe('cooling');
  });

  test('a server that lets us in and then fails is asked less and less often', () => {
    const driver = new Driver();
    driver.now.random = 1;
    driver.send({ is: 'start' });
    const pauses = Array.from({ length: 8 }, () => {
      driver.hear({ is: 'opened' });
      driver.hear({ is: 'broken', error: lost });
      const pauseMs = driver.wakeAt - driver.now.mono;
      driver.elapse(pauseMs);
      return pauseMs;
    });
    expect(pauses.at(-1)).toBe(rules.reconnectMaxMs);
  });
});

describe('a call that is not answered in time', () => {
  test.each([
    ['connect', 5_000, (driver: Driver) => driver.send({ is: 'start' })],
    ['attempt', 219 + 5_000, (driver: Driver) => driver.toCampaign()],
    ['takeover', 2_000 + 5_000, (driver: Driver) => driver.toInherit(ended)],
  ])('%s: the session is cut after %i ms, never before', (kind, boundMs, begin) => {
    const driver = new Driver();
    begin(driver);
    const { seat } = driver.state;
    expect(driver.state.call?.kind).toBe(kind);
    expect(driver.elapse(boundMs - 1)).toEqual([]);
    const effects = driver.elapse(1);
    expect(deeds(effects)).toEqual(['reconnect-control', 'destroy-seat', 'settle']);
    expect(only(effects, 'warn').error).toMatchObject({ code: 'LOCKD_TIMEOUT' });
    expect(driver.state.seat).toBeGreaterThan(seat);
  });

  test('read: the seat is given up, however long the old lease still runs', () => {
    const driver = new Driver().toInherit();
    driver.elapse(2_000 / 3 + 1);
    expect(driver.state.call?.kind).toBe('read');
    expect(deeds(driver.elapse(5_000))).toEqual(['reconnect-control', 'destroy-seat']);
    expect(driver.phase.is).toBe('cooling');
  });

  test('release: the mark is confessed instead', () => {
    const driver = new Driver().toActive();
    driver.send({ is: 'stop', isForced: false });
    driver.send({ is: 'drained' });
    expect(deeds(driver.elapse(5_000))).toEqual(['confess', 'left', 'destroy-seat', 'halt']);
  });

  test('release: bounded, too, when a beat was in flight as the drain ended', () => {
    const driver = new Driver().toActive();
    driver.pass(rules.heartbeatMs);
    expect(deeds(driver.tick())).toEqual(['beat']);
    driver.send({ is: 'stop', isForced: false });
    driver.send({ is: 'drained' });
    driver.hear({ is: 'beaten', isKept: true });
    driver.elapse(60_000);
    expect(driver.phase.is).toBe('stopped');
  });

  test('never two calls are in flight: a release waits for the beat before it', () => {
    const driver = new Driver().toActive();
    driver.pass(rules.heartbeatMs);
    driver.tick();
    driver.send({ is: 'stop', isForced: false });
    expect(deeds(driver.send({ is: 'drained' }))).toEqual([]);
    expect(deeds(driver.hear({ is: 'beaten', isKept: true }))).toContain('release');
  });
});

test('what a session given up still says is not heard', () => {
  const driver = new Driver().toInherit(ended);
  const { seat } = driver.state;
  driver.hear({ is: 'broken', error: lost });
  const before = driver.state;
  const late = [
    { seat, is: 'bid', answer: { outcome: 'taken', token: 9n } },
    { seat, is: 'attempted', answer: { isGranted: true, lease: ended } },
    { seat, is: 'read', lease: ended },
    { seat, is: 'beaten', isKept: true },
    { seat, is: 'broken', error: lost },
    { seat, is: 'opened' },
  ] as const;
  for (const event of late) expect(driver.send(event)).toEqual([]);
  expect(driver.state).toEqual(before);
});

describe('trust', () => {
  const trusted = { mono: 1_000, boot: 5_000 };

  test('ends a margin before the TTL, counted from the sending', () => {
    expect(trustedUntil(trusted, rules)).toEqual({ mono: 10_900, boot: 14_900 });
  });

  test.each([
    ['both clocks are before it', -1, -1, true],
    ['the monotonic clock has reached it', 0, -1, false],
    ['the boot-time clock has reached it', -1, 0, false],
  ])('when %s: %i, %i', (_, mono, boot, expected) => {
    const now = { mono: 10_900 + mono, boot: 14_900 + boot };
    expect(isTrusted(trusted, now, rules)).toBe(expected);
  });

  test('a takeover acknowledged too late is given back, and its gate never opens', () => {
    const driver = new Driver({ callTimeoutMs: 60_000 }).toInherit(ended);
    driver.pass(trustMs);
    const effects = driver.hear({ is: 'bid', answer: { outcome: 'taken', token: 6n } });
    expect(deeds(effects)).toEqual(['release', 'settle']);
    expect(driver.phase).toMatchObject({ is: 'releasing', reason: 'deadline-passed' });
  });

  test('a takeover acknowledged after a suspend longer than the lease is given back', () => {
    const driver = new Driver().toInherit(ended);
    driver.suspend(trustMs);
    const effects = driver.hear({ is: 'bid', answer: { outcome: 'taken', token: 6n } });
    expect(deeds(effects)).toEqual(['release', 'settle']);
  });
});
