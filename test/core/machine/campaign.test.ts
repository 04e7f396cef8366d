import { describe, expect, test } from 'vitest';
import type { Lease } from '../../../src/core/machine/lease.ts';
import { Driver, deeds, ended, foreign, only, rules, vacant } from './driver.ts';

const error = new Error('reset by peer');

const busy = (lease: Lease) => ({ is: 'attempted', answer: { isGranted: false, lease } }) as const;
const granted = (lease: Lease) =>
  ({ is: 'attempted', answer: { isGranted: true, lease } }) as const;

describe('attempts', () => {
  test('are told with their number and how long each one waits', () => {
    const driver = new Driver().toCampaign();
    for (let attempt = 0; attempt < 3; attempt += 1) driver.hear(busy(vacant));
    const told = driver.log.filter((effect) => effect.do === 'tell-attempt');
    expect(told.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4]);
    expect(told.map(({ waitMs }) => waitMs)).toEqual([219, 329, 493, 739]);
    const asked = driver.log.filter((effect) => effect.do === 'attempt');
    expect(asked.map(({ waitMs }) => waitMs)).toEqual([219, 329, 493, 739]);
  });

  test('are logged at info once a minute, else at debug', () => {
    const driver = new Driver().toCampaign();
    for (let attempt = 0; attempt < 240; attempt += 1) {
      driver.pass(500);
      driver.hear(busy(foreign));
    }
    const levels = driver.log.flatMap((effect) => (effect.do === 'log' ? [effect.level] : []));
    expect(levels.filter((level) => level === 'info')).toHaveLength(3);
    expect(levels.filter((level) => level === 'debug')).toHaveLength(238);
  });

  test('count anew with each session', () => {
    const driver = new Driver().toCampaign();
    for (let attempt = 0; attempt < 6; attempt += 1) driver.hear(busy(vacant));
    driver.hear({ is: 'broken', error });
    driver.elapse(rules.reconnectMaxMs);
    expect(only(driver.hear({ is: 'opened' }), 'tell-attempt').attempt).toBe(1);
  });
});

describe('a leader', () => {
  const observed = (driver: Driver) =>
    driver.log.flatMap((effect) => (effect.do === 'observe' ? [effect.lease.token] : []));

  test('is told once per token', () => {
    const driver = new Driver().toCampaign();
    for (const beat of [1, 2, 3]) driver.hear(busy({ ...foreign, beat }));
    driver.hear(busy({ ...foreign, token: 8n, beat: 0 }));
    expect(observed(driver)).toEqual([5n, 8n]);
  });

  test('is not one whose term has ended, nor the row of a name nobody ever led', () => {
    const driver = new Driver().toCampaign();
    driver.hear(busy(vacant));
    driver.hear(busy(ended));
    expect(observed(driver)).toEqual([]);
  });

  test('is somebody else: a row left from a term of our own is not told', () => {
    const driver = new Driver().toCampaign();
    driver.hear(busy({ ...foreign, instance: rules.instance }));
    expect(observed(driver)).toEqual([]);
  });
});

describe('inheriting', () => {
  test('waits until the old TTL has run out since the grant, then takes over', () => {
    const driver = new Driver().toInherit({ ...foreign, ttlMs: 900 });
    expect(driver.phase.is).toBe('inheriting');
    driver.elapse(899);
    if (driver.state.call?.kind === 'read') {
      driver.hear({ is: 'read', lease: { ...foreign, ttlMs: 900 } });
    }
    expect(deeds(driver.log)).not.toContain('takeover');
    expect(deeds(driver.elapse(1))).toEqual(['takeover']);
  });

  test('counts from the moment the last beat was first seen, not last seen', () => {
    const driver = new Driver().toCampaign();
    driver.hear(busy(foreign));
    driver.pass(1_000);
    driver.hear(busy(foreign));
    driver.pass(1_000);
    driver.hear(granted(foreign));
    expect(driver.phase).toMatchObject({ startAt: driver.now.mono - 2_000 + foreign.ttlMs });
  });

  test('counts anew when the grant brings a beat that had not been seen', () => {
    const driver = new Driver().toCampaign();
    driver.hear(busy(foreign));
    driver.pass(2_000);
    driver.hear(granted({ ...foreign, beat: foreign.beat + 1 }));
    expect(driver.phase).toMatchObject({ startAt: driver.now.mono + foreign.ttlMs });
  });

  test('remembers what it saw through a lost session', () => {
    const driver = new Driver().toCampaign();
    driver.hear(busy(foreign));
    const seenAt = driver.now.mono;
    driver.hear({ is: 'broken', error });
    driver.elapse(rules.reconnectMaxMs);
    driver.hear({ is: 'opened' });
    driver.hear(granted(foreign));
    expect(driver.phase).toMatchObject({ startAt: seenAt + foreign.ttlMs });
  });

  test('reads the row every third of a heartbeat, which keeps the seat, and waits no longer for it', () => {
    const driver = new Driver().toInherit();
    const { startAt } = driver.phase as { startAt: number };
    let reads = 0;
    for (let waited = 0; waited < 6_000; waited += 10) {
      if (deeds(driver.elapse(10)).includes('read')) {
        reads += 1;
        driver.hear({ is: 'read', lease: foreign });
      }
    }
    expect(reads).toBeGreaterThanOrEqual(8);
    expect(driver.phase).toMatchObject({ is: 'inheriting', startAt });
  });

  test('starts as soon as a read finds the old term marked ended', () => {
    const driver = new Driver().toInherit();
    driver.elapse(1_000);
    const effects = driver.hear({ is: 'read', lease: ended });
    expect(only(effects, 'takeover').bid).toMatchObject({ token: 5n, isEnded: true });
  });

  test('a row that went backwards while it waited makes it wait a whole TTL', () => {
    const driver = new Driver().toInherit();
    const grantedAt = driver.now.mono;
    driver.elapse(1_000);
    driver.hear({ is: 'read', lease: { ...foreign, token: 4n, isEnded: true } });
    expect(driver.phase).toMatchObject({ is: 'inheriting', startAt: grantedAt + rules.ttlMs });
  });

  test('the seat lost while waiting is campaigned for again', () => {
    const driver = new Driver().toInherit();
    expect(deeds(driver.hear({ is: 'broken', error }))).toEqual(['destroy-seat']);
    expect(driver.phase.is).toBe('cooling');
  });
});

describe('a notice', () => {
  const notice = { kind: 'ended', token: 5n, reason: 'session-lost' } as const;

  test('that the term waited for has ended is bid on at once, in the row’s own terms', () => {
    const driver = new Driver().toInherit();
    const [bid] = driver.send({ is: 'noticed', notice });
    const { token, beat } = foreign;
    expect(bid).toMatchObject({ do: 'takeover', bid: { token, beat, isEnded: true } });
  });

  test('is never proof: a claim that the row does not bear out is answered by another look', () => {
    const driver = new Driver().toInherit();
    driver.send({ is: 'noticed', notice });
    const changed = { outcome: 'changed' } as const;
    expect(deeds(driver.hear({ is: 'bid', answer: changed }))).toEqual(['read']);
    expect(deeds(driver.hear({ is: 'read', lease: foreign }))).toEqual([]);
    expect(driver.phase.is).toBe('inheriting');
  });

  test('of an end makes no history certain', () => {
    const server = { ...foreign.server, timeline: '00000002' };
    const driver = new Driver().toInherit({ ...foreign, server });
    expect(deeds(driver.send({ is: 'noticed', notice }))).toEqual(['read']);
  });

  test.each([
    { ...notice, kind: 'unknown' } as const,
    { ...notice, token: 4n },
    { ...notice, token: undefined },
  ])('of anything else is a reason to read the row now: $kind of $token', (other) => {
    const driver = new Driver().toInherit();
    expect(deeds(driver.send({ is: 'noticed', notice: other }))).toEqual(['read']);
  });

  test('during a read is a reason to read once more: it may have read too early', () => {
    const driver = new Driver().toInherit();
    driver.send({ is: 'noticed', notice: { ...notice, kind: 'unknown' } });
    expect(driver.send({ is: 'noticed', notice })).toEqual([]);
    expect(deeds(driver.hear({ is: 'read', lease: foreign }))).toEqual(['read']);
    expect(deeds(driver.hear({ is: 'read', lease: foreign }))).toEqual([]);
  });

  test('puts no bid off, however many there are', () => {
    const driver = new Driver().toInherit();
    driver.send({ is: 'noticed', notice: { ...notice, kind: 'unknown' } });
    for (let answers = 0; answers < 100; answers += 1) {
      driver.send({ is: 'noticed', notice: { ...notice, kind: 'unknown' } });
      driver.elapse(100);
      if (deeds(driver.hear({ is: 'read', lease: foreign })).includes('takeover')) break;
    }
    expect(driver.phase.is).toBe('taking');
  });

  test('while campaigning is left to the queue, which wakes sooner', () => {
    const driver = new Driver().toCampaign();
    expect(driver.send({ is: 'noticed', notice })).toEqual([]);
    expect(deeds(driver.hear(granted(ended)))).toEqual(['takeover']);
  });

  test('that overtakes the grant is a reason to read the row once more, and only once', () => {
    const driver = new Driver().toCampaign();
    driver.send({ is: 'noticed', notice });
    expect(deeds(driver.hear(granted(foreign)))).toEqual(['settle', 'read']);
    expect(deeds(driver.hear({ is: 'read', lease: foreign }))).toEqual([]);
    expect(driver.phase.is).toBe('inheriting');
  });

  test('of an earlier attempt is forgotten with it', () => {
    const driver = new Driver().toCampaign();
    driver.send({ is: 'noticed', notice });
    driver.hear(busy(foreign));
    expect(deeds(driver.hear(granted(foreign)))).toEqual([]);
  });

  test('that a leader left a server shutting down is a reason to ask that server', () => {
    const driver = new Driver().toCampaign();
    const left = { kind: 'released', token: 5n, reason: 'server-shutdown' } as const;
    expect(driver.send({ is: 'noticed', notice: left })).toEqual([{ do: 'probe' }]);
  });
});

test.each([
  ['campaigning', (d: Driver) => d.toCampaign()],
  ['inheriting', (d: Driver) => d.toInherit()],
])('while %s it makes way for a server that shuts down, and start is answered', (_, begin) => {
  const driver = new Driver();
  begin(driver);
  const effects = driver.send({ is: 'probed', health: 'shutting-down' });
  expect(deeds(effects).slice(0, 2)).toEqual(['reconnect-control', 'destroy-seat']);
  expect(deeds(driver.log)).toContain('settle');
  expect(driver.phase).toMatchObject({ is: 'cooling', until: driver.now.mono + 1_000 });
});

describe('a takeover', () => {
  test('of a row that has changed is decided again, from the row as it is now', () => {
    const driver = new Driver().toInherit(ended);
    expect(deeds(driver.hear({ is: 'bid', answer: { outcome: 'changed' } }))).toEqual(['read']);
    expect(deeds(driver.hear({ is: 'read', lease: foreign }))).toEqual(['settle']);
    expect(driver.phase.is).toBe('inheriting');
  });

  test('is not repeated from the old row while the new one is still being read', () => {
    const driver = new Driver().toInherit(ended);
    driver.hear({ is: 'bid', answer: { outcome: 'changed' } });
    expect(driver.elapse(4_999)).toEqual([]);
  });

  test('asks for a token above every one it ever saw', () => {
    const driver = new Driver().toCampaign();
    driver.hear(busy({ ...foreign, token: 90n }));
    driver.hear(granted({ ...foreign, token: 7n }));
    for (let waited = 0; waited <= rules.ttlMs; waited += 100) {
      driver.elapse(100);
      if (driver.state.call?.kind === 'read') {
        driver.hear({ is: 'read', lease: { ...foreign, token: 7n } });
      }
    }
    expect(only(driver.log, 'takeover').bid).toMatchObject({ token: 7n, highestToken: 90n });
  });

  test('held up by fenced transactions names them, answers start, and is tried again', () => {
    const driver = new Driver().toInherit(ended);
    const answer = { outcome: 'blocked', blockers: [17, 18] } as const;
    const effects = driver.hear({ is: 'bid', answer });
    expect(only(effects, 'warn').fields).toEqual({ blockers: [17, 18] });
    expect(deeds(effects)).toEqual(['read', 'settle']);
    expect(deeds(driver.hear({ is: 'read', lease: ended }))).toEqual(['takeover']);
  });

  test('may end those who hold it up, where it was told to', () => {
    const driver = new Driver({ blockers: 'terminate' }).toInherit(ended);
    const answer = { outcome: 'blocked', blockers: [17] } as const;
    expect(deeds(driver.hear({ is: 'bid', answer }))).toEqual(['terminate-blockers', 'settle']);
    expect(deeds(driver.hear({ is: 'terminated' }))).toEqual(['read']);
  });

  test('ends nobody when nobody is named', () => {
    const driver = new Driver({ blockers: 'terminate' }).toInherit(ended);
    const answer = { outcome: 'blocked', blockers: [] } as const;
    expect(deeds(driver.hear({ is: 'bid', answer }))).toEqual(['read', 'settle']);
  });
});
