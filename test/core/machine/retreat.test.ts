import { describe, expect, test } from 'vitest';
import { LockdError, type LockdErrorCode } from '../../../src/core/errors.ts';
import type { Effect } from '../../../src/core/machine/protocol.ts';
import { Driver, ended, foreign, rules } from './driver.ts';

const refused = failure('LOCKD_CONNECTION', 'ECONNREFUSED');
const startingUp = failure('LOCKD_UNAVAILABLE', '57P03');

const busy = { is: 'attempted', answer: { isGranted: false, lease: foreign } } as const;

describe('that it cannot campaign', () => {
  test('is told at the first try, and then about once a minute with the tries since', () => {
    const driver = new Driver().toCampaign();
    failFor(driver, 150_000, refused);
    const [first, ...others] = warnings(driver);
    expect(first?.fields).toMatchObject({ failures: 1, reason: refused.message });
    expect(first?.fields).not.toHaveProperty('tries');
    expect(others).toHaveLength(2);
    const [second, third] = others.map(({ fields }) => fields as Record<string, number>);
    expect(second?.['failures']).toBe(1 + (second?.['tries'] as number));
    expect(third?.['failures']).toBe((second?.['failures'] ?? 0) + (third?.['tries'] as number));
    expect(second?.['tries']).toBeGreaterThan(60);
  });

  test('is logged at debug each time that it is not told', () => {
    const driver = new Driver().toCampaign();
    const tries = failFor(driver, 10_000, refused);
    const quiet = lines(driver, 'could not campaign');
    expect(quiet.map(({ level }) => level)).toEqual(Array(tries - 1).fill('debug'));
    expect(quiet[0]?.fields).toMatchObject({
      code: 'LOCKD_CONNECTION',
      failures: 2,
      reason: refused.message,
    });
  });

  test.each([
    ['code', startingUp],
    ['cause', failure('LOCKD_CONNECTION', '28P01')],
    ['kind, without any code', new Error('what is this')],
  ])('is told at once where it fails with another %s', (_what, other) => {
    const driver = new Driver().toCampaign();
    failFor(driver, 5_000, refused);
    failFor(driver, 5_000, other);
    expect(warnings(driver).map(({ error }) => error)).toEqual([refused, other]);
  });

  test('is two lines where two kinds of failure take turns, and not one a try', () => {
    const driver = new Driver().toCampaign();
    for (let turns = 0; turns < 20; turns += 1) {
      failFor(driver, 1_000, refused);
      failFor(driver, 1_000, startingUp);
    }
    expect(warnings(driver).map(({ error }) => error)).toEqual([refused, startingUp]);
    failFor(driver, 60_000, refused);
    failFor(driver, 1_000, startingUp);
    expect(warnings(driver)).toHaveLength(4);
  });

  test('is a line a minute where sessions end again and again, and attempts go well in between', () => {
    const driver = new Driver().toCampaign();
    failNowAndThen(driver, 150_000);
    const [first, ...others] = warnings(driver);
    expect(first?.fields).not.toHaveProperty('tries');
    expect(others).toHaveLength(2);
    for (const { fields } of others) {
      expect(fields).toMatchObject({ failures: 1, tries: expect.any(Number) });
      expect((fields as { tries: number }).tries).toBeGreaterThan(10);
    }
    expect(lines(driver, 'campaigns again')).toHaveLength(3);
  });

  test('is news again after a minute that went well', () => {
    const driver = new Driver().toCampaign();
    failNowAndThen(driver, 20_000);
    goWell(driver, 61_000);
    driver.hear({ is: 'broken', error: refused });
    const told = warnings(driver);
    expect(told).toHaveLength(2);
    expect(told[1]?.fields).not.toHaveProperty('tries');
  });

  test('is told anew after a stop and a start', () => {
    const driver = new Driver().toCampaign();
    failFor(driver, 5_000, refused);
    driver.send({ is: 'stop', isForced: false });
    driver.send({ is: 'start' });
    driver.hear({ is: 'broken', error: refused });
    expect(warnings(driver)).toHaveLength(2);
  });

  test('costs the pauses nothing: what is not told is tried again as soon', () => {
    const driver = new Driver().toCampaign();
    const tries = failFor(driver, 30_000, refused);
    expect(tries).toBeGreaterThan(30_000 / rules.reconnectMaxMs);
  });
});

describe('that it campaigns again', () => {
  test('is told once, with the failures before, when somebody has the seat', () => {
    const driver = new Driver().toCampaign();
    const tries = failFor(driver, 5_000, refused);
    driver.hear({ is: 'opened' });
    expect(lines(driver, 'campaigns again')).toEqual([]); // a session alone is no attempt
    driver.hear(busy);
    driver.hear(busy);
    expect(lines(driver, 'campaigns again')).toMatchObject([
      { level: 'info', fields: { failures: tries } },
    ]);
    driver.hear({ is: 'broken', error: startingUp });
    expect(warnings(driver).at(-1)?.fields).toMatchObject({ failures: 1 });
  });

  test('is told when it takes over, and not for a seat that leads to no term', () => {
    const driver = new Driver().toCampaign();
    failFor(driver, 5_000, refused);
    const granted = { is: 'attempted', answer: { isGranted: true, lease: ended } } as const;
    for (let turns = 0; turns < 3; turns += 1) {
      driver.hear({ is: 'opened' });
      driver.hear(granted);
      driver.hear({ is: 'broken', error: startingUp });
      driver.elapse(rules.reconnectMaxMs);
    }
    expect(lines(driver, 'campaigns again')).toEqual([]);
    expect(warnings(driver)).toHaveLength(2);
    driver.hear({ is: 'opened' });
    driver.hear(granted);
    driver.hear({ is: 'bid', answer: { outcome: 'taken', token: 6n } });
    expect(lines(driver, 'campaigns again')).toHaveLength(1);

    driver.hear({ is: 'broken', error: refused });
    driver.send({ is: 'drained' });
    driver.pass(60_000);
    driver.hear({ is: 'broken', error: refused }); // an outage of its own, after the term
    expect(warnings(driver)).toHaveLength(3);
  });

  test('is not told where what failed was not', () => {
    const driver = new Driver().toCampaign();
    failNowAndThen(driver, 20_000);
    expect(warnings(driver)).toHaveLength(1);
    expect(lines(driver, 'campaigns again')).toMatchObject([{ fields: { failures: 1 } }]);
  });

  test('is not told where nothing had gone wrong', () => {
    const driver = new Driver().toActive();
    expect(lines(driver, 'campaigns again')).toEqual([]);
  });
});

function failure(code: LockdErrorCode, why: string): LockdError {
  const cause = Object.assign(new Error(why), { code: why });
  return new LockdError(code, `it fails: ${why}`, { cause, isRetryable: true });
}

/** Each session breaks before it is open. How often that was. */
function failFor(driver: Driver, ms: number, error: Error): number {
  const until = driver.now.mono + ms;
  let tries = 0;
  while (driver.now.mono < until) {
    driver.hear({ is: 'broken', error });
    tries += 1;
    driver.elapse(driver.wakeAt - driver.now.mono);
    if (driver.phase.is !== 'connecting') throw new Error(`it is ${driver.phase.is}`);
  }
  return tries;
}

/** Each session is ended when an attempt on it has been answered. */
function failNowAndThen(driver: Driver, ms: number): void {
  const until = driver.now.mono + ms;
  while (driver.now.mono < until) {
    driver.hear({ is: 'broken', error: refused });
    driver.elapse(driver.wakeAt - driver.now.mono);
    driver.hear({ is: 'opened' });
    driver.pass(1_000);
    driver.hear(busy);
  }
}

/** Attempt after attempt is answered. */
function goWell(driver: Driver, ms: number): void {
  const until = driver.now.mono + ms;
  while (driver.now.mono < until) {
    driver.pass(1_000);
    driver.hear(busy);
  }
}

const warnings = ({ log }: Driver): Extract<Effect, { do: 'warn' }>[] =>
  log.filter((effect) => effect.do === 'warn');

const lines = ({ log }: Driver, message: string): Extract<Effect, { do: 'log' }>[] =>
  log.filter((effect) => effect.do === 'log').filter((line) => line.message === message);
