import { describe, expect, test } from 'vitest';
import { Driver, deeds, ended, foreign, rules, trustMs } from './driver.ts';

const error = new Error('reset by peer');
const stop = { is: 'stop', isForced: false } as const;
const force = { is: 'stop', isForced: true } as const;

/** Beats are answered at once for this long. */
function beatFor(driver: Driver, ms: number): void {
  for (const until = driver.now.mono + ms; driver.now.mono < until; ) {
    driver.elapse(Math.min(rules.heartbeatMs, until - driver.now.mono));
    if (driver.state.call?.kind === 'beat') driver.hear({ is: 'beaten', isKept: true });
  }
}

describe('a drain that loses its seat', () => {
  test.each([
    ['session breaks', (d: Driver) => d.hear({ is: 'broken', error })],
    ['lease is gone', (d: Driver) => d.hear({ is: 'beaten', isKept: false })],
    ['deadline passes', (d: Driver) => d.elapse(trustMs)],
  ])(
    'because its %s: the socket is cut, the work goes on, then the term is confessed',
    (_, lose) => {
      const driver = new Driver().toActive();
      driver.pass(rules.heartbeatMs);
      driver.tick();
      driver.send(stop);
      driver.log.length = 0;
      lose(driver);
      expect(deeds(driver.log)).toEqual(['destroy-seat']);
      expect(driver.phase).toMatchObject({ is: 'draining', reason: 'stopped', isSeated: false });
      expect(deeds(driver.send({ is: 'drained' }))).toEqual([
        'confess',
        'left',
        'destroy-seat',
        'halt',
      ]);
    },
  );
});

describe('a drain that overruns', () => {
  test('unforced: it warns once, keeps the seat and its beats, and releases when it is done', () => {
    const driver = new Driver().toActive();
    driver.send(stop);
    driver.log.length = 0;
    beatFor(driver, 4 * rules.drainTimeoutMs);
    const warnings = driver.log.filter((effect) => effect.do === 'warn');
    expect(warnings).toMatchObject([{ fields: { token: 6n, seatKept: true } }]);
    expect(driver.phase).toMatchObject({ is: 'draining', isSeated: true, hasOverrun: true });
    expect(deeds(driver.send({ is: 'drained' }))).toEqual(['release']);
  });

  test('forced: the seat is given up without the mark, and stop is answered', () => {
    const driver = new Driver().toActive();
    driver.send(force);
    driver.log.length = 0;
    beatFor(driver, rules.drainTimeoutMs);
    expect(deeds(driver.log).slice(-3)).toEqual(['destroy-seat', 'left', 'halt']);
    expect(deeds(driver.log)).not.toContain('release');
    expect(driver.phase).toMatchObject({ is: 'draining', isSeated: false });
  });

  test('forced later: it is given up at the moment of the second call', () => {
    const driver = new Driver().toActive();
    driver.send(stop);
    beatFor(driver, rules.drainTimeoutMs + 1_000);
    expect(deeds(driver.send(force))).toEqual(['destroy-seat', 'left', 'halt']);
  });

  test('forced before it overruns: the work still has until the drain timeout', () => {
    const driver = new Driver().toActive();
    driver.send(force);
    beatFor(driver, rules.drainTimeoutMs - 1);
    expect(driver.phase).toMatchObject({ isSeated: true });
    expect(deeds(driver.send({ is: 'drained' }))).toEqual(['release']);
  });

  test('resigned by force: nobody is told that it is over, and it stays out of the race', () => {
    const driver = new Driver().toActive();
    driver.send({ is: 'resign', isForced: true });
    driver.log.length = 0;
    beatFor(driver, rules.drainTimeoutMs);
    expect(deeds(driver.log).slice(-2)).toEqual(['destroy-seat', 'left']);
    driver.log.length = 0;
    driver.elapse(10 * 60_000);
    expect(deeds(driver.log)).toEqual([]);
    expect(deeds(driver.send({ is: 'drained' }))).toEqual(['left', 'open-seat']);
  });

  test('is never confessed, even when the work finishes within the lease', () => {
    const driver = new Driver({ drainTimeoutMs: 50 }).toActive();
    driver.hear({ is: 'broken', error });
    driver.elapse(60);
    expect(driver.phase).toMatchObject({ hasOverrun: true });
    expect(deeds(driver.send({ is: 'drained' }))).toEqual(['left', 'open-seat']);
  });

  test('beats do not stop at the moment of the overrun', () => {
    const driver = new Driver({ drainTimeoutMs: rules.heartbeatMs }).toActive();
    driver.send(stop);
    expect(deeds(driver.elapse(rules.heartbeatMs))).toEqual(['beat']);
  });
});

describe('stop', () => {
  test.each([
    ['connecting', (d: Driver) => d.send({ is: 'start' })],
    ['campaigning', (d: Driver) => d.toCampaign()],
    ['inheriting', (d: Driver) => d.toInherit()],
    [
      'cooling',
      (d: Driver) => {
        d.send({ is: 'start' });
        d.hear({ is: 'broken', error });
      },
    ],
  ])('while %s: the session is cut, and stop is answered', (phase, begin) => {
    const driver = new Driver();
    begin(driver);
    expect(driver.phase.is).toBe(phase);
    expect(deeds(driver.send(stop))).toEqual(['destroy-seat', 'halt']);
    expect(driver.phase.is).toBe('stopped');
    expect(driver.wakeAt).toBe(Number.POSITIVE_INFINITY);
  });

  test('while taking over: an acknowledged takeover is given back without opening the gate', () => {
    const driver = new Driver().toInherit(ended);
    expect(deeds(driver.send(stop))).toEqual([]);
    const effects = driver.hear({ is: 'bid', answer: { outcome: 'taken', token: 6n } });
    expect(deeds(effects)).toEqual(['release', 'settle']);
    expect(deeds(driver.hear({ is: 'released', isMarked: true }))).toEqual([
      'left',
      'destroy-seat',
      'halt',
    ]);
    expect(deeds(driver.log)).not.toContain('open-gate');
  });

  test.each([
    ['found another row', { outcome: 'changed' }],
    ['was held up', { outcome: 'blocked', blockers: [17] }],
  ] as const)('while taking over: a takeover that %s is not tried again', (_, answer) => {
    const driver = new Driver({ blockers: 'terminate' }).toInherit(ended);
    driver.send(stop);
    expect(deeds(driver.hear({ is: 'bid', answer }))).toEqual(['destroy-seat', 'halt']);
  });

  test('while taking over: a broken session is the end of it', () => {
    const driver = new Driver().toInherit(ended);
    driver.send(stop);
    expect(deeds(driver.hear({ is: 'broken', error }))).toEqual(['destroy-seat', 'halt']);
  });

  test('while ending those who hold the takeover up: nothing further is begun', () => {
    const driver = new Driver({ blockers: 'terminate' }).toInherit(ended);
    driver.hear({ is: 'bid', answer: { outcome: 'blocked', blockers: [17] } });
    driver.send(stop);
    expect(deeds(driver.hear({ is: 'terminated' }))).toEqual(['destroy-seat', 'halt']);
  });

  test('while releasing: it waits for the answer, which then stops instead of campaigning', () => {
    const driver = new Driver().toActive();
    driver.send({ is: 'resign', isForced: false });
    driver.send({ is: 'drained' });
    expect(driver.send(stop)).toEqual([]);
    const effects = driver.hear({ is: 'released', isMarked: true });
    expect(deeds(effects)).toEqual(['left', 'destroy-seat', 'halt']);
  });

  test('while draining after a resignation: the reason stays, the campaign does not', () => {
    const driver = new Driver().toActive();
    driver.send({ is: 'resign', isForced: false });
    driver.send(stop);
    expect(driver.phase).toMatchObject({ is: 'draining', reason: 'resigned' });
    driver.send({ is: 'drained' });
    driver.hear({ is: 'released', isMarked: true });
    expect(driver.phase.is).toBe('stopped');
  });
});

test.each([
  ['campaigning', (d: Driver) => d.toCampaign()],
  ['inheriting', (d: Driver) => d.toInherit(foreign)],
  ['taking', (d: Driver) => d.toInherit(ended)],
])('resign while %s changes nothing: there is no term to resign', (phase, begin) => {
  const driver = new Driver();
  begin(driver);
  const before = driver.state;
  expect(driver.send({ is: 'resign', isForced: true })).toEqual([]);
  expect(driver.state).toEqual(before);
  expect(driver.phase.is).toBe(phase);
});
