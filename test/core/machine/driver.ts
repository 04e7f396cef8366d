import type { Lease } from '../../../src/core/machine/lease.ts';
import { initialState, step, wakeAt } from '../../../src/core/machine/machine.ts';
import type { Effect, Event, Phase, SeatEvent, State } from '../../../src/core/machine/protocol.ts';
import type { Rules } from '../../../src/core/machine/rules.ts';

/** The defaults of `settleOptions`, written out: a test says what it relies on. */
export const rules: Rules = {
  instance: 'me',
  isEligible: true,
  ttlMs: 10_000,
  heartbeatMs: 2_000,
  marginMs: 100,
  takeover: 'safe',
  blockers: 'report',
  firstWaitMs: 250,
  maxWaitMs: 2_000,
  waitFactor: 1.5,
  reconnectMaxMs: 1_000,
  connectTimeoutMs: 5_000,
  callTimeoutMs: 5_000,
  drainTimeoutMs: 25_000,
};

/** A holder acts on a beat for this long after it was sent. */
export const trustMs = rules.ttlMs - rules.marginMs;

const history = { timeline: '00000001', systemIdentifier: '7', lockClass: 16_385 };

/** Of another instance, in the middle of its term. */
export const foreign: Lease = {
  token: 5n,
  beat: 3,
  ttlMs: 8_000,
  heartbeatMs: 1_600,
  beatAgeMs: 400,
  instance: 'other',
  label: 'other:1',
  isEnded: false,
  recorded: history,
  server: history,
};

export const ended: Lease = { ...foreign, isEnded: true };

export const vacant: Lease = {
  ...foreign,
  token: 0n,
  beat: 0,
  ttlMs: 0,
  heartbeatMs: 0,
  beatAgeMs: undefined,
  instance: undefined,
  label: undefined,
  recorded: undefined,
};

export type News<E = SeatEvent> = E extends { seat: number } ? Omit<E, 'seat'> : never;

/** Steps the machine with hand-made events and moments; time moves only when it is told to. */
export class Driver {
  readonly rules: Rules;
  readonly now: { mono: number; boot: number; random: number };
  state: State = initialState;
  /** Everything the machine ever wanted done. */
  readonly log: Effect[] = [];

  constructor(changes: Partial<Rules> = {}, at = 1_000_000) {
    this.rules = { ...rules, ...changes };
    this.now = { mono: at, boot: at * 3, random: 0.5 };
  }

  get phase(): Phase {
    return this.state.phase;
  }

  get wakeAt(): number {
    return wakeAt(this.state, this.rules, this.now);
  }

  send(event: Event): Effect[] {
    const { state, effects } = step(this.state, event, this.now, this.rules);
    this.state = state;
    this.log.push(...effects);
    return [...effects];
  }

  /** An answer or the end of the current seat session. */
  hear(news: News): Effect[] {
    return this.send({ ...news, seat: this.state.seat } as SeatEvent);
  }

  tick(): Effect[] {
    return this.send({ is: 'tick' });
  }

  /** Time passes, and the machine is not asked: its process is frozen, or its timers are late. */
  pass(ms: number): void {
    this.now.mono += ms;
    this.now.boot += ms;
  }

  /** The machine sleeps: only the boot-time clock goes on. */
  suspend(ms: number): void {
    this.now.boot += ms;
  }

  /** Time passes, and the machine is woken whenever it asked for it. */
  elapse(ms: number): Effect[] {
    const until = this.now.mono + ms;
    const effects: Effect[] = [];
    for (let idle = 0; this.wakeAt <= until; ) {
      const waitMs = Math.max(0, this.wakeAt - this.now.mono);
      this.pass(waitMs);
      effects.push(...this.tick());
      idle = waitMs > 0 ? 0 : idle + 1;
      if (idle > 10) throw new Error('the machine wants to be woken, and then does nothing');
    }
    this.pass(until - this.now.mono);
    return effects;
  }

  toCampaign(): this {
    this.send({ is: 'start' });
    this.hear({ is: 'opened' });
    return this;
  }

  toInherit(lease: Lease = foreign): this {
    this.toCampaign();
    this.hear({ is: 'attempted', answer: { isGranted: true, lease } });
    return this;
  }

  /** ACTIVE with token 6, trusted from this moment. */
  toActive(): this {
    this.toInherit(ended);
    this.hear({ is: 'bid', answer: { outcome: 'taken', token: 6n } });
    return this;
  }

  /** One whole beat, sent now and answered now. */
  beat(): Effect[] {
    return [...this.tick(), ...this.hear({ is: 'beaten', isKept: true })];
  }
}

/** What was done, by name, without what is only told. */
export const deeds = (effects: readonly Effect[]): string[] =>
  effects
    .map((effect) => effect.do)
    .filter((name) => !['log', 'warn', 'tell-attempt', 'observe'].includes(name));

export function only<Name extends Effect['do']>(
  effects: readonly Effect[],
  name: Name,
): Extract<Effect, { do: Name }> {
  const found = effects.filter((effect) => effect.do === name);
  if (found.length !== 1) throw new Error(`${found.length} of ${name} in [${deeds(effects)}]`);
  return found[0] as Extract<Effect, { do: Name }>;
}
