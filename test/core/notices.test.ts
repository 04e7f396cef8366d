import { describe, expect, test } from 'vitest';
import { Notices } from '../../src/core/notices.ts';

describe('notices', () => {
  test('say yes once per key and interval', () => {
    const notices = new Notices(1_000);
    expect(notices.take('a', 0)).toBe(true);
    expect(notices.take('a', 0)).toBe(false);
    expect(notices.take('a', 999)).toBe(false);
    expect(notices.take('b', 999)).toBe(true);
    expect(notices.take('a', 1_000)).toBe(true);
    expect(notices.take('a', 1_999)).toBe(false);
  });

  test('a refused question does not begin the interval anew', () => {
    const notices = new Notices(1_000);
    notices.take('a', 0);
    for (let now = 100; now < 1_000; now += 100) notices.take('a', now);
    expect(notices.take('a', 1_000)).toBe(true);
  });

  test('forget keys whose interval is over', () => {
    const notices = new Notices(1_000);
    for (let key = 0; key < 500; key += 1) notices.take(String(key), key);
    notices.take('late', 1_400);
    expect(notices.size).toBe(100);
  });

  test('stay within their bound with a million keys, and are quiet rather than forgetful', () => {
    const notices = new Notices(60_000);
    let told = 0;
    for (let key = 0; key < 1_000_000; key += 1) {
      if (notices.take(`chat ${key}`, 0)) told += 1;
    }
    expect(told).toBe(100_000);
    expect(notices.size).toBe(100_000);
    expect(notices.take('chat 0', 59_999)).toBe(false);
    expect(notices.take('chat 999999', 60_000)).toBe(true);
    expect(notices.size).toBe(1);
  });

  test('a million keys over time: each is told, and memory stays at one interval', () => {
    const notices = new Notices(1_000);
    let most = 0;
    for (let key = 0; key < 1_000_000; key += 1) {
      if (!notices.take(`chat ${key}`, key)) throw new Error(`chat ${key} was not told`);
      if (notices.size > most) most = notices.size;
    }
    expect(most).toBeLessThanOrEqual(1_001);
  });

  test('with no interval say yes always, and cleared they begin anew', () => {
    const always = new Notices(0);
    expect([always.take('a', 5), always.take('a', 5)]).toEqual([true, true]);
    const notices = new Notices(1_000);
    notices.take('a', 0);
    notices.clear();
    expect(notices.size).toBe(0);
    expect(notices.take('a', 1)).toBe(true);
  });
});
