import { describe, expect, test } from 'vitest';
import { attemptWaitMs, beatSlackMs, reconnectWaitMs } from '../../../src/core/machine/backoff.ts';
import type { Lease } from '../../../src/core/machine/lease.ts';
import { Driver, ended, foreign, rules, vacant } from './driver.ts';

const luck = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.999];

const aged = (heartbeatMs: number, beatAgeMs: number): Lease => ({
  ...foreign,
  heartbeatMs,
  beatAgeMs,
});

describe('waits in the queue', () => {
  test('grow by the factor from the first to the longest', () => {
    const waits = [1, 2, 3, 4, 5, 6, 7].map((attempt) =>
      attemptWaitMs(attempt, undefined, rules, 0.999_999),
    );
    expect(waits).toEqual([250, 375, 563, 844, 1266, 1899, 2000]);
  });

  test('are shortened by jitter, by no more than a quarter', () => {
    for (const random of luck) {
      const waitMs = attemptWaitMs(20, vacant, rules, random);
      expect(waitMs).toBeGreaterThanOrEqual(1_500);
      expect(waitMs).toBeLessThanOrEqual(2_000);
    }
    expect(attemptWaitMs(20, vacant, rules, 0)).toBe(1_500);
  });

  test('are whole milliseconds, and never nothing: nothing means without end to the server', () => {
    for (let age = 0; age < 2_200; age += 7) {
      for (const random of luck) {
        const waitMs = attemptWaitMs(9, aged(2_000, age), rules, random);
        expect(Number.isInteger(waitMs)).toBe(true);
        expect(waitMs).toBeGreaterThanOrEqual(1);
      }
    }
  });

  test('stay bounded after any number of attempts, whatever the lease says', () => {
    for (const attempt of [1, 50, 5_000, 1e9]) {
      for (const lease of [undefined, vacant, ended, aged(60_000, 0), aged(2_000, 1e9)]) {
        const waitMs = attemptWaitMs(attempt, lease, rules, 0.999);
        expect(waitMs).toBeLessThanOrEqual(rules.maxWaitMs + 100);
      }
    }
  });

  test('do not end together with a beat that a finished term no longer sends', () => {
    expect(attemptWaitMs(20, { ...ended, beatAgeMs: 1_500 }, rules, 0)).toBe(1_500);
  });

  test.each([100, 500, 2_000, 12_000])(
    'end just after the next beat is due (every %i ms)',
    (heartbeatMs) => {
      for (const random of luck) {
        for (let age = 0; age < heartbeatMs; age += heartbeatMs / 13) {
          let now = age;
          for (let attempt = 1; now <= heartbeatMs; attempt += 1) {
            now += attemptWaitMs(attempt, aged(heartbeatMs, now), rules, random);
          }
          const late = now - heartbeatMs;
          expect(late).toBeGreaterThan(0);
          expect(late).toBeLessThanOrEqual(beatSlackMs(heartbeatMs) + 3);
        }
      }
    },
  );

  test('a standby at default settings needs one attempt per heartbeat and sees every beat', () => {
    for (const first of luck) {
      let now = 0;
      let attempts = 0;
      let random = first;
      const seen = new Set<number>();
      // The leader's timers are 2 ms late, its beats take 3 ms, the standby's answers 1 ms.
      const beatEveryMs = rules.heartbeatMs + 2;
      while (now < 100 * beatEveryMs) {
        const beat = Math.floor(Math.max(0, now - 3) / beatEveryMs);
        seen.add(beat);
        const lease = aged(rules.heartbeatMs, Math.max(0, now - 3 - beat * beatEveryMs));
        random = (random * 16_807 + 0.123) % 1;
        attempts += 1;
        now += attemptWaitMs(attempts, lease, rules, random) + 1;
      }
      expect(seen.size).toBe(100);
      expect(attempts).toBeLessThanOrEqual(100 + 6); // the growing ones at the beginning
    }
  });
});

describe('pauses before a new connection', () => {
  test('have full jitter: from nothing to their whole length', () => {
    expect(reconnectWaitMs(3, 1_000, 0)).toBe(0);
    expect(reconnectWaitMs(3, 1_000, 0.5)).toBe(100);
    expect(reconnectWaitMs(3, 1_000, 0.999)).toBeCloseTo(200, 0);
  });

  test('double from 50 ms up to the longest', () => {
    const pauses = [1, 2, 3, 4, 5, 6, 7].map((failures) => reconnectWaitMs(failures, 1_000, 1));
    expect(pauses).toEqual([50, 100, 200, 400, 800, 1_000, 1_000]);
  });

  test('grow though each session wins the seat, as long as no takeover is answered', () => {
    const driver = new Driver();
    driver.send({ is: 'start' });
    const pauses = Array.from({ length: 7 }, () => {
      driver.hear({ is: 'opened' });
      driver.hear({ is: 'attempted', answer: { isGranted: true, lease: ended } });
      driver.hear({ is: 'broken', error: new Error('no room') });
      const { until } = driver.phase as { until: number };
      const pauseMs = until - driver.now.mono;
      driver.elapse(pauseMs);
      return pauseMs;
    });
    expect(pauses).toEqual([25, 50, 100, 200, 400, 500, 500]);
  });

  test.each<[string, (driver: Driver) => void]>([
    [
      'a term',
      (driver) => {
        driver.hear({ is: 'attempted', answer: { isGranted: true, lease: ended } });
        driver.hear({ is: 'bid', answer: { outcome: 'taken', token: 6n } });
        driver.send({ is: 'resign', isForced: false });
        driver.send({ is: 'drained' });
        driver.hear({ is: 'released', isMarked: true });
        driver.elapse(rules.firstWaitMs);
        driver.hear({ is: 'opened' });
      },
    ],
    [
      'a place in the queue',
      (driver) => {
        driver.hear({ is: 'attempted', answer: { isGranted: false, lease: foreign } });
      },
    ],
  ])('begin anew after %s', (_what, have) => {
    const driver = new Driver();
    driver.send({ is: 'start' });
    for (let failure = 0; failure < 6; failure += 1) {
      driver.hear({ is: 'broken', error: new Error('refused') });
      driver.elapse(rules.reconnectMaxMs);
    }
    driver.hear({ is: 'opened' });
    have(driver);
    driver.hear({ is: 'broken', error: new Error('refused') });
    expect(driver.phase).toMatchObject({ is: 'cooling', until: driver.now.mono + 25 });
  });

  test('stay bounded after any number of failures', () => {
    expect(reconnectWaitMs(1e9, 1_000, 1)).toBe(1_000);
  });
});
