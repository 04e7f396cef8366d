import { describe, expect, test } from 'vitest';
import type { EndReason } from '../../../src/core/machine/protocol.ts';
import { Driver, deeds, ended, only, rules, trustMs } from './driver.ts';

const error = new Error('reset by peer');
const leave = { is: 'stop', isForced: false } as const;

describe('beats', () => {
  test('one is sent every heartbeat, and only one at a time', () => {
    const driver = new Driver().toActive();
    driver.pass(rules.heartbeatMs - 1);
    expect(driver.tick()).toEqual([]);
    driver.pass(1);
    expect(driver.tick()).toEqual([{ do: 'beat', token: 6n }]);
    driver.pass(rules.heartbeatMs);
    expect(driver.tick()).toEqual([]);
  });

  test('trust counts from the sending of a beat, however late its answer comes', () => {
    const driver = new Driver().toActive();
    driver.pass(rules.heartbeatMs);
    driver.tick();
    const sentAt = driver.now.mono;
    driver.pass(5_000);
    const effects = driver.hear({ is: 'beaten', isKept: true });
    expect(only(effects, 'vouch').until).toBe(sentAt + rules.ttlMs);
    driver.tick(); // the next beat, never answered
    expect(deeds(driver.elapse(sentAt + trustMs - driver.now.mono - 1))).not.toContain('end-term');
    expect(deeds(driver.elapse(1))).toEqual(['end-term', 'destroy-seat', 'reconnect-control']);
  });

  test('a beat is given until the deadline of the last one, and no shorter', () => {
    const driver = new Driver({ callTimeoutMs: 50 }).toActive();
    driver.pass(rules.heartbeatMs);
    driver.tick();
    expect(driver.elapse(trustMs - rules.heartbeatMs - 1)).toEqual([]);
    expect(driver.phase.is).toBe('active');
  });

  test('after a slow answer the next beat follows at once', () => {
    const driver = new Driver().toActive();
    driver.pass(rules.heartbeatMs);
    driver.tick();
    driver.pass(rules.heartbeatMs);
    expect(deeds(driver.hear({ is: 'beaten', isKept: true }))).toEqual(['vouch', 'beat']);
  });

  test('after a suspend inside the lease the next beat is not late, though no timer knows', () => {
    const driver = new Driver().toInherit(ended);
    driver.suspend(rules.heartbeatMs * 1.5);
    driver.hear({ is: 'bid', answer: { outcome: 'taken', token: 6n } });
    expect(deeds(driver.tick())).toEqual(['beat']);
    driver.suspend(rules.heartbeatMs * 1.5);
    expect(deeds(driver.hear({ is: 'beaten', isKept: true }))).toEqual(['vouch', 'beat']);
  });

  test('a term lives on as long as its beats are answered', () => {
    const driver = new Driver().toActive();
    for (let beat = 0; beat < 20; beat += 1) {
      driver.pass(rules.heartbeatMs);
      driver.beat();
    }
    expect(driver.phase.is).toBe('active');
    expect(deeds(driver.log)).not.toContain('end-term');
  });

  test('once per TTL a fresh connection asks whether the server is shutting down', () => {
    const driver = new Driver().toActive();
    for (let beat = 0; beat < 15; beat += 1) {
      driver.pass(rules.heartbeatMs);
      driver.beat();
    }
    expect(deeds(driver.log).filter((deed) => deed === 'probe')).toHaveLength(3);
  });
});

describe('a term is lost', () => {
  test.each<[string, EndReason, (driver: Driver) => unknown]>([
    ['its session broke', 'session-lost', (d) => d.hear({ is: 'broken', error })],
    ['a beat found the lease gone', 'lease-lost', (d) => d.hear({ is: 'beaten', isKept: false })],
    ['its deadline passed', 'deadline-passed', (d) => d.elapse(trustMs)],
    [
      'the machine slept through its deadline',
      'deadline-passed',
      (d) => {
        d.suspend(trustMs);
        d.tick();
      },
    ],
  ])('because %s: gate, abort, then the socket', (_, reason, happen) => {
    const driver = new Driver().toActive();
    driver.pass(rules.heartbeatMs);
    driver.tick();
    driver.log.length = 0;
    happen(driver);
    expect(deeds(driver.log).slice(0, 2)).toEqual(['end-term', 'destroy-seat']);
    // Where one connection fell silent, the other one is not trusted either.
    expect(deeds(driver.log).includes('reconnect-control')).toBe(reason === 'deadline-passed');
    expect(driver.phase).toMatchObject({ is: 'draining', reason, isSeated: false });
    expect(driver.state.call).toBeUndefined();
  });

  test('what the connection said of it is the cause', () => {
    const driver = new Driver().toActive();
    expect(only(driver.hear({ is: 'broken', error }), 'end-term').cause).toBe(error);
  });

  test.each(['beaten', 'broken'] as const)(
    'an answer (%s) after the deadline revives nothing',
    (is) => {
      const driver = new Driver().toActive();
      driver.pass(rules.heartbeatMs);
      driver.tick();
      driver.pass(trustMs - rules.heartbeatMs);
      const effects = driver.hear(is === 'beaten' ? { is, isKept: true } : { is, error });
      expect(deeds(effects)).toEqual(['end-term', 'destroy-seat', 'reconnect-control']);
      expect(driver.phase).toMatchObject({ is: 'draining', reason: 'deadline-passed' });
    },
  );

  test('confessed after the drain, while the lease runs, and campaigned for again at once', () => {
    const driver = new Driver().toActive();
    const trustedAt = driver.now.mono;
    driver.hear({ is: 'broken', error });
    driver.pass(300);
    const effects = driver.send({ is: 'drained' });
    expect(deeds(effects)).toEqual(['confess', 'left', 'open-seat']);
    expect(only(effects, 'confess')).toEqual({
      do: 'confess',
      token: 6n,
      reason: 'session-lost',
      until: trustedAt + rules.ttlMs,
    });
  });

  test('nothing is asked of any server while the work of a lost term still runs', () => {
    const driver = new Driver().toActive();
    driver.hear({ is: 'broken', error });
    expect(deeds(driver.elapse(10 * 60_000))).toEqual([]);
    expect(driver.phase.is).toBe('draining');
  });

  test('the first reason wins: later ones end no term again', () => {
    const driver = new Driver().toActive();
    driver.hear({ is: 'broken', error });
    driver.log.length = 0;
    driver.send({ is: 'broken', seat: driver.state.seat, error });
    driver.send({ is: 'resign', isForced: false });
    driver.elapse(trustMs);
    driver.send(leave);
    driver.send({ is: 'probed', health: 'shutting-down' });
    expect(deeds(driver.log)).toEqual([]);
    expect(driver.phase).toMatchObject({ reason: 'session-lost' });
  });
});

describe('a term is left', () => {
  test.each<[EndReason, (driver: Driver) => unknown]>([
    ['stopped', (d) => d.send(leave)],
    ['resigned', (d) => d.send({ is: 'resign', isForced: false })],
    ['server-shutdown', (d) => d.send({ is: 'probed', health: 'shutting-down' })],
    [
      'resigned',
      (d) => d.send({ is: 'noticed', notice: { kind: 'resign', token: 6n, reason: 'deploy' } }),
    ],
  ])('%s: the gate closes at once and the seat is kept', (reason, happen) => {
    const driver = new Driver().toActive();
    driver.log.length = 0;
    happen(driver);
    expect(deeds(driver.log)).toEqual(['end-term']);
    expect(driver.phase).toMatchObject({ is: 'draining', reason, isSeated: true });
  });

  test.each([
    ['asks another term', { kind: 'resign', token: 5n, reason: undefined }],
    ['asks nobody', { kind: 'resign', token: undefined, reason: undefined }],
    ['is of another kind', { kind: 'taken', token: 6n, reason: undefined }],
  ] as const)('not by a notice that %s', (_, notice) => {
    const driver = new Driver().toActive();
    expect(driver.send({ is: 'noticed', notice })).toEqual([]);
    expect(driver.phase.is).toBe('active');
  });

  test('beats go on while work in flight finishes', () => {
    const driver = new Driver().toActive();
    driver.send(leave);
    for (let beat = 0; beat < 10; beat += 1) {
      driver.pass(rules.heartbeatMs);
      expect(deeds(driver.beat())).toEqual(['beat', 'vouch']);
    }
    expect(driver.phase).toMatchObject({ is: 'draining', isSeated: true });
  });

  test('the order is end-term, drain, release, and then stop is answered', () => {
    const driver = new Driver().toActive();
    driver.log.length = 0;
    driver.send(leave);
    expect(deeds(driver.send({ is: 'drained' }))).toEqual(['release']);
    driver.hear({ is: 'released', isMarked: true });
    expect(deeds(driver.log)).toEqual(['end-term', 'release', 'left', 'destroy-seat', 'halt']);
    expect(driver.phase.is).toBe('stopped');
  });

  test('a mark that was not ours to set, or was not answered, is confessed', () => {
    for (const news of [{ is: 'released', isMarked: false } as const, { is: 'broken', error }]) {
      const driver = new Driver().toActive();
      driver.send({ is: 'resign', isForced: false });
      driver.send({ is: 'drained' });
      const effects = driver.hear(news as { is: 'released'; isMarked: boolean });
      expect(deeds(effects)).toEqual(['confess', 'left', 'destroy-seat']);
    }
  });

  test('whoever resigned pauses before it campaigns again: whoever waits has the seat', () => {
    const driver = new Driver().toActive();
    driver.send({ is: 'resign', isForced: false });
    driver.send({ is: 'drained' });
    driver.hear({ is: 'released', isMarked: true });
    expect(driver.phase.is).toBe('cooling');
    expect(deeds(driver.elapse(rules.firstWaitMs - 1))).toEqual([]);
    expect(deeds(driver.elapse(1))).toEqual(['open-seat']);
  });

  test('whoever made way for a shutdown gives its control session up as well', () => {
    const driver = new Driver().toActive();
    driver.send({ is: 'probed', health: 'shutting-down' });
    driver.send({ is: 'drained' });
    expect(deeds(driver.hear({ is: 'released', isMarked: true }))).toContain('reconnect-control');
  });

  test.each(['accepting', 'unknown'] as const)('not by a probe that hears "%s"', (health) => {
    const driver = new Driver().toActive();
    expect(driver.send({ is: 'probed', health })).toEqual([]);
  });
});
