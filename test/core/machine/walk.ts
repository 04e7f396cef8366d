import type { Lease } from '../../../src/core/machine/lease.ts';
import type { Effect, Event, State } from '../../../src/core/machine/protocol.ts';
import { Driver, foreign, type News } from './driver.ts';

/** One step of a walk, as an invariant looks at it. */
export interface Step {
  readonly event: Event;
  readonly before: State;
  readonly after: State;
  readonly effects: readonly Effect[];
  readonly now: { readonly mono: number; readonly boot: number };
}

/** Uniform in [0, 1) from a seed (mulberry32): the same walk each time. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const error = new Error('reset by peer');

/**
 * What a host, a server and the passing of time may do to a machine, at random: answers to what it
 * asked (late ones and none among them), ends of sessions, news, drains, stops and starts.
 */
export function* walk(seed: number, steps: number, suspends = true): Generator<Step, Driver> {
  const random = seeded(seed);
  const driver = new Driver({
    blockers: random() < 0.5 ? 'report' : 'terminate',
    takeover: random() < 0.8 ? 'safe' : 'fast',
    drainTimeoutMs: random() < 0.5 ? 25_000 : 1_000,
  });
  const asked: { seat: number; kind: Effect['do'] }[] = [];
  let openTerms = 0;
  const draining: number[] = [];

  const pick = <Item>(...items: readonly Item[]): Item =>
    items[Math.floor(random() * items.length)] as Item;

  const someLease = (): Lease => ({
    ...foreign,
    token: BigInt(Math.floor(random() * 8)),
    beat: Math.floor(random() * 3),
    isEnded: random() < 0.5,
    ttlMs: pick(500, 8_000, 20_000),
    instance: pick('other', 'other', 'me'),
    server: random() < 0.9 ? foreign.server : { ...foreign.server, timeline: '00000002' },
  });

  const answerTo = (kind: Effect['do']): News => {
    switch (kind) {
      case 'open-seat':
        return { is: 'opened' };
      case 'attempt':
        return { is: 'attempted', answer: { isGranted: random() < 0.6, lease: someLease() } };
      case 'read':
        return { is: 'read', lease: someLease() };
      case 'takeover':
        return {
          is: 'bid',
          answer: pick(
            { outcome: 'taken', token: driver.state.highestToken + 1n },
            { outcome: 'taken', token: driver.state.highestToken + 1n },
            { outcome: 'changed' },
            { outcome: 'blocked', blockers: [4711] },
          ),
        };
      case 'terminate-blockers':
        return { is: 'terminated' };
      case 'beat':
        return { is: 'beaten', isKept: random() < 0.9 };
      default:
        return { is: 'released', isMarked: random() < 0.8 };
    }
  };

  const next = (): Event => {
    const luck = random();
    if (driver.phase.is === 'stopped' && luck < 0.7) return { is: 'start' };
    const call = asked[0];
    if (call !== undefined && luck < 0.5) {
      asked.shift();
      const news: News = random() < 0.97 ? answerTo(call.kind) : { is: 'broken', error };
      return { ...news, seat: call.seat } as Event;
    }
    if (draining.length > 0 && luck < 0.56) {
      draining.shift();
      return { is: 'drained' };
    }
    if (luck < 0.85) return { is: 'tick' };
    const isForced = random() < 0.3;
    const kind = pick('released', 'ended', 'resign', 'unknown');
    const reason = pick('stopped', 'server-shutdown');
    return pick<Event>(
      { is: 'start' },
      { is: 'stop', isForced },
      { is: 'resign', isForced },
      { is: 'resign', isForced },
      { is: 'noticed', notice: { kind, token: driver.state.highestToken, reason } },
      { is: 'probed', health: pick('accepting', 'unknown', 'shutting-down') },
      { seat: driver.state.seat, is: 'broken', error },
      { seat: driver.state.seat - 1, is: 'beaten', isKept: true },
      { seat: driver.state.seat - 1, is: 'broken', error },
    );
  };

  for (let count = 0; count < steps; count += 1) {
    // Mostly the server answers in time; what it leaves unanswered is cut when the machine wakes.
    const isPatient = asked.length === 0 || random() < 0.1;
    const untilWake = Math.max(0, Math.min(driver.wakeAt - driver.now.mono, 60_000));
    driver.pass(pick(0, 1, 40, 700, isPatient ? untilWake : 100));
    if (suspends && random() < 0.01) driver.suspend(pick(500, 30_000));
    driver.now.random = random();
    const event = next();
    const before = driver.state;
    const effects = driver.send(event);
    for (const effect of effects) {
      if (effect.do === 'destroy-seat') asked.length = 0;
      if (effect.do === 'open-seat') asked.splice(0, asked.length);
      if (isCall(effect)) asked.push({ seat: driver.state.seat, kind: effect.do });
      if (effect.do === 'open-gate') openTerms += 1;
      if (effect.do === 'end-term') draining.push(openTerms);
    }
    yield { event, before, after: driver.state, effects, now: { ...driver.now } };
  }
  return driver;
}

const calls: readonly Effect['do'][] = [
  'open-seat',
  'attempt',
  'read',
  'takeover',
  'terminate-blockers',
  'beat',
  'release',
];

/** What a session is asked, and answers. */
export const isCall = (effect: Effect): boolean => calls.includes(effect.do);
