import { uptime } from 'node:os';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { instantOf, systemClock } from '../../src/core/clock.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';

const longest = 2 ** 31 - 1;

describe('the clocks of this machine', () => {
  test('the monotonic clock is the one that all processes of the machine share', () => {
    const before = process.hrtime.bigint();
    const mono = systemClock.mono();
    const after = process.hrtime.bigint();
    expect(mono).toBeGreaterThanOrEqual(Number(before) / 1e6 - 0.001);
    expect(mono).toBeLessThanOrEqual(Number(after) / 1e6 + 0.001);
  });

  test('the boot-time clock is the uptime of the machine, in milliseconds', () => {
    const before = uptime() * 1000;
    const boot = systemClock.boot();
    expect(boot).toBeGreaterThanOrEqual(before);
    expect(boot).toBeLessThanOrEqual(uptime() * 1000);
  });

  test('an instant is one reading of both', () => {
    const clock = new FakeClock();
    clock.suspend(7);
    expect(instantOf(clock)).toEqual({ mono: clock.mono(), boot: clock.boot() });
  });
});

describe('a timer', () => {
  let mono = 0;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    mono = 1_000_000;
    vi.spyOn(systemClock, 'mono').mockImplementation(() => mono);
  });

  afterEach(() => {
    vi.restoreAllMocks();
    vi.useRealTimers();
  });

  function pass(ms: number): void {
    mono += ms;
    vi.advanceTimersByTime(ms);
  }

  test('calls back once, at its time and not before', () => {
    const callback = vi.fn();
    systemClock.setTimer(mono + 500.4, callback);
    pass(500);
    expect(callback).not.toHaveBeenCalled();
    pass(1);
    pass(10_000);
    expect(callback).toHaveBeenCalledTimes(1);
  });

  test('whose time has passed calls back soon, but not inside the call that set it', () => {
    const callback = vi.fn();
    systemClock.setTimer(mono - 5, callback);
    expect(callback).not.toHaveBeenCalled();
    pass(1);
    expect(callback).toHaveBeenCalledTimes(1);
  });

  test('further away than setTimeout can count does not call back at once', () => {
    const callback = vi.fn();
    systemClock.setTimer(mono + 2.5 * longest, callback);
    pass(1_000);
    pass(longest);
    pass(longest);
    expect(callback).not.toHaveBeenCalled();
    pass(longest);
    expect(callback).toHaveBeenCalledTimes(1);
  });

  test('can be cancelled, also after it has been set again', () => {
    const callback = vi.fn();
    systemClock.setTimer(mono + 10, callback)();
    const cancel = systemClock.setTimer(mono + 1.5 * longest, callback);
    pass(longest);
    cancel();
    pass(longest);
    expect(callback).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });
});
