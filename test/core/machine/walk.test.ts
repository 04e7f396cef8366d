import { describe, expect, test } from 'vitest';
import { step, wakeAt } from '../../../src/core/machine/machine.ts';
import { isTrusted } from '../../../src/core/machine/tenure.ts';
import { type Driver, rules } from './driver.ts';
import { isCall, type Step, walk } from './walk.ts';

const walks = 120;
const steps = 400;

interface Options {
  readonly atTheEnd?: (driver: Driver) => void;
  readonly suspends?: boolean;
}

/** Looks at every step of many walks; `invariant()` makes a fresh observer for each of them. */
function always(
  invariant: () => (step: Step) => void,
  { atTheEnd = () => {}, suspends = true }: Options = {},
): void {
  for (let seed = 1; seed <= walks; seed += 1) {
    const observe = invariant();
    const path = walk(seed, steps, suspends);
    for (let count = 0; ; count += 1) {
      const { value, done } = path.next();
      try {
        if (done) {
          atTheEnd(value);
          break;
        }
        observe(value);
      } catch (cause) {
        const where = done ? '' : JSON.stringify({ ...value.event }, shown);
        throw new Error(`seed ${seed}, step ${count}: ${where}: ${(cause as Error).message}`, {
          cause,
        });
      }
    }
  }
}

const shown = (_key: string, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value);

describe('on every path', () => {
  test('the walks reach every phase, many times', () => {
    const reached: Record<string, number> = {};
    always(() => ({ after }) => {
      reached[after.phase.is] = (reached[after.phase.is] ?? 0) + 1;
    });
    expect(Object.keys(reached)).toHaveLength(9);
    for (const [phase, times] of Object.entries(reached)) {
      expect(times, phase).toBeGreaterThan(200);
    }
  });

  test('a gate opens only by the answer to a takeover that was sent within the trust', () => {
    always(() => {
      let sent = { mono: Number.NaN, boot: Number.NaN };
      return ({ event, before, effects, now }) => {
        const opened = effects.filter((effect) => effect.do === 'open-gate');
        if (opened.length > 0) {
          expect(opened).toHaveLength(1);
          expect(before.phase.is).toBe('taking');
          expect(event).toMatchObject({ is: 'bid', answer: { outcome: 'taken' } });
          expect(isTrusted(sent, now, rules)).toBe(true);
        }
        if (effects.some((effect) => effect.do === 'takeover')) sent = now;
      };
    });
  });

  test('there is exactly one end-term per open-gate, and none without', () => {
    always(() => {
      let isOpen = false;
      return ({ after, effects }) => {
        for (const effect of effects) {
          if (effect.do === 'open-gate') {
            expect(isOpen).toBe(false);
            isOpen = true;
          }
          if (effect.do === 'end-term') {
            expect(isOpen).toBe(true);
            isOpen = false;
          }
        }
        expect(after.phase.is === 'active').toBe(isOpen);
      };
    });
  });

  test('after each step an open gate is within the trust of a beat that was sent and answered', () => {
    always(() => {
      let sent: Step['now'] | undefined;
      let trusted: Step['now'] | undefined;
      return ({ event, after, effects, now }) => {
        const isYes =
          (event.is === 'beaten' && event.isKept) ||
          (event.is === 'bid' && event.answer.outcome === 'taken');
        if (isYes && 'seat' in event && event.seat === after.seat) trusted = sent;
        if (effects.some((effect) => effect.do === 'takeover' || effect.do === 'beat')) sent = now;
        if (after.phase.is !== 'active') return;
        expect(after.phase.trusted).toEqual({ mono: trusted?.mono, boot: trusted?.boot });
        expect(isTrusted(after.phase.trusted, now, rules)).toBe(true);
      };
    });
  });

  test('nobody is told that a term is over before its work has finished', () => {
    always(() => {
      const running = new Set<bigint>();
      return ({ event, before, effects }) => {
        if (event.is === 'drained' && before.phase.is === 'draining') {
          running.delete(before.phase.token);
        }
        for (const effect of effects) {
          if (effect.do === 'open-gate') running.add(effect.token);
          if (effect.do === 'release' || effect.do === 'confess') {
            expect(running.has(effect.token)).toBe(false);
          }
        }
      };
    });
  });

  test('nothing is ever confessed of a term that lost its seat and overran its drain', () => {
    always(() => {
      const overrun = new Set<bigint>();
      return ({ after: { phase }, effects }) => {
        for (const effect of effects) {
          if (effect.do === 'confess') expect(overrun.has(effect.token)).toBe(false);
        }
        if (phase.is === 'draining' && phase.hasOverrun && !phase.isSeated) {
          overrun.add(phase.token);
        }
      };
    });
  });

  test('no two calls are in flight on one session', () => {
    always(() => {
      let inFlight = 0;
      return ({ event, before, effects }) => {
        const isAnswer = 'seat' in event && event.is !== 'broken' && event.seat === before.seat;
        if (isAnswer) inFlight -= 1;
        for (const effect of effects) {
          if (effect.do === 'destroy-seat' || effect.do === 'open-seat') inFlight = 0;
          if (isCall(effect)) inFlight += 1;
          expect(inFlight).toBeLessThanOrEqual(1);
        }
      };
    });
  });

  test('whatever is asked has a bound: no phase waits for an answer without one', () => {
    const asking = ['connecting', 'campaigning', 'taking', 'releasing'];
    always(() => ({ after }) => {
      if (!asking.includes(after.phase.is)) return;
      expect(after.call).toBeDefined();
      expect(after.call?.until).toBeLessThan(Number.POSITIVE_INFINITY);
    });
  });

  test('the generation of the seat only grows, and with each session given up', () => {
    always(() => ({ before, after, effects }) => {
      expect(after.seat).toBeGreaterThanOrEqual(before.seat);
      const isGivenUp = effects.some(
        (effect) => effect.do === 'destroy-seat' || effect.do === 'open-seat',
      );
      if (isGivenUp) expect(after.seat).toBeGreaterThan(before.seat);
    });
  });

  test('the highest token seen is never forgotten', () => {
    always(() => ({ before, after }) => {
      expect(after.highestToken >= before.highestToken).toBe(true);
    });
  });

  // Without suspends: the timers stand still in one.
  test('wakeAt is never later than anything due: a tick before it changes nothing', () => {
    const invariant =
      () =>
      ({ after, now }: Step) => {
        const wake = Math.min(wakeAt(after, rules, now), now.mono + 120_000);
        for (const share of [0, 0.5, 0.999]) {
          const ms = Math.floor((wake - now.mono) * share);
          if (ms <= 0) continue;
          const early = { mono: now.mono + ms, boot: now.boot + ms, random: 0.5 };
          const ticked = step(after, { is: 'tick' }, early, rules);
          expect(ticked.effects).toEqual([]);
          expect(ticked.state).toEqual(after);
        }
      };
    always(invariant, { suspends: false });
  });

  test('a tick at wakeAt leaves nothing due at once, or the timer would spin', () => {
    always(() => ({ after, now }) => {
      let at = wakeAt(after, rules, now);
      if (!Number.isFinite(at)) return;
      let state = after;
      for (let ticks = 0; ticks < 3 && at <= wakeAt(after, rules, now); ticks += 1) {
        const mono = Math.max(at, now.mono);
        const moment = { mono, boot: now.boot + mono - now.mono, random: 0.5 };
        state = step(state, { is: 'tick' }, moment, rules).state;
        at = wakeAt(state, rules, moment);
      }
      expect(at).toBeGreaterThan(now.mono);
    });
  });

  test('a start is answered at most once, and before its campaign has gone on for long', () => {
    always(() => {
      let answers = 0;
      return ({ event, effects }) => {
        if (event.is === 'start') answers = 0;
        answers += effects.filter((effect) => effect.do === 'settle').length;
        expect(answers).toBeLessThanOrEqual(1);
      };
    });
  });

  test('a stop is answered when the work has finished, though no server answers any more', () => {
    const atTheEnd = (driver: Driver) => {
      driver.send({ is: 'stop', isForced: false });
      driver.send({ is: 'drained' });
      driver.elapse(60_000);
      expect(driver.phase.is).toBe('stopped');
      expect(driver.wakeAt).toBe(Number.POSITIVE_INFINITY);
    };
    always(() => () => {}, { atTheEnd });
  });
});
