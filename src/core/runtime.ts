import { type Clock, instantOf } from './clock.ts';
import type { Control } from './control.ts';
import { isLockdError } from './errors.ts';
import type { Logger } from './log.ts';
import { Lookout } from './lookout.ts';
import { initialState, step, wakeAt } from './machine/machine.ts';
import type { Effect, EndReason, Event, SeatEvent, State } from './machine/protocol.ts';
import type { Rules } from './machine/rules.ts';
import type { Candidate, SeatSession, Store } from './store.ts';

type SeatNews = SeatEvent extends infer E
  ? E extends { seat: number }
    ? Omit<E, 'seat'>
    : never
  : never;

/** What the host of the machine does when it is told to. */
export interface Host {
  openGate(token: bigint, gapMs: number | undefined): void;
  /** A beat was answered, or will not be. */
  beaten(beat: { token: bigint; roundTripMs: number; isKept: boolean }): void;
  /** Ends the term, synchronously; resolves when work in flight has finished. */
  endTerm(reason: EndReason, cause: unknown): Promise<void>;
  /** The seat of this term has been let go, or lost and confessed. */
  left(effect: Extract<Effect, { do: 'left' }>): void;
  settle(error?: unknown): void;
  halt(): void;
  observe(effect: Extract<Effect, { do: 'observe' }>): void;
  attempt(effect: Extract<Effect, { do: 'tell-attempt' }>): void;
  warn(effect: Extract<Effect, { do: 'warn' }>): void;
}

/** A guard: somebody beside this process who learns what may be trusted until when. */
export interface Witness {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** `until` on the monotonic clock, which all processes of a machine share. */
  vouch(token: bigint, until: number): void;
  /** Drops its session and makes a new one, as `Control` does: the server is going away. */
  reconnect(): void;
}

export interface RuntimeOptions {
  readonly store: Store;
  readonly control: Control;
  readonly witness: Witness | undefined;
  readonly candidate: Candidate;
  readonly rules: Rules;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly host: Host;
}

/** Feeds the machine and runs its effects: the only place that does. */
export class Runtime {
  readonly #options: RuntimeOptions;
  readonly #inbox: Event[] = [];
  #state: State = initialState;
  #isStepping = false;
  #isProbing = false;
  #seat: { session: SeatSession | undefined; abort: AbortController } | undefined;
  #cancelTimer: () => void = () => {};
  readonly #lookout: Lookout;

  constructor(options: RuntimeOptions) {
    this.#options = options;
    this.#lookout = new Lookout(options.clock);
  }

  get state(): State {
    return this.#state;
  }

  /** One event after the other: what an effect causes at once is heard after its effects. */
  dispatch(event: Event): void {
    this.#inbox.push(event);
    if (event.is === 'noticed') this.#lookout.hurry();
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) {
        this.#step(next);
      }
    } finally {
      this.#isStepping = false;
    }
    this.#rearm();
  }

  #step(event: Event): void {
    const { clock, random, rules } = this.#options;
    const now = { ...instantOf(clock), random: random() };
    const { state, effects } = step(this.#state, event, now, rules);
    this.#state = state; // the gate reads the state: it is closed before any effect runs
    for (const effect of effects) this.#run(effect);
  }

  #rearm(): void {
    this.#cancelTimer();
    const { clock, rules } = this.#options;
    const at = wakeAt(this.#state, rules, instantOf(clock));
    this.#cancelTimer =
      at === Number.POSITIVE_INFINITY
        ? () => {}
        : clock.setTimer(at, () => this.dispatch({ is: 'tick' }));
  }

  #run(effect: Effect): void {
    const { host, control, witness, logger } = this.#options;
    switch (effect.do) {
      case 'open-seat':
        this.#openSeat(effect.seat);
        break;
      case 'destroy-seat':
        this.#destroySeat();
        break;
      case 'attempt':
        this.#ask(
          (seat) =>
            this.#options.rules.isEligible
              ? seat.attempt(effect.waitMs, effect.yieldedMs)
              : this.#lookout.look(seat, effect.waitMs),
          (answer) => ({ is: 'attempted', answer }),
        );
        break;
      case 'read':
        this.#ask(
          (seat) => seat.readLease(),
          (lease) => ({ is: 'read', lease }),
        );
        break;
      case 'takeover':
        this.#ask(
          (seat) => seat.takeover(effect.bid),
          (answer) => ({ is: 'bid', answer }),
        );
        break;
      case 'terminate-blockers':
        this.#ask(
          (seat) => seat.terminateBlockers().catch((error) => this.#tellBlockers(error)),
          () => ({ is: 'terminated' }),
        );
        break;
      case 'beat':
        this.#ask(
          (seat) => this.#timed(effect.token, seat),
          (isKept) => ({ is: 'beaten', isKept }),
        );
        break;
      case 'release':
        this.#ask(
          (seat) => seat.release(effect.token, effect.reason),
          (isMarked) => ({ is: 'released', isMarked }),
        );
        break;
      case 'vouch':
        witness?.vouch(effect.token, effect.until);
        break;
      case 'open-gate':
        host.openGate(effect.token, effect.gapMs);
        break;
      case 'end-term':
        void host.endTerm(effect.reason, effect.cause).then(() => this.dispatch({ is: 'drained' }));
        break;
      case 'confess':
        void control.testify(effect.token, 'confession', effect.reason, effect.until);
        break;
      case 'probe':
        this.#probe();
        break;
      case 'reconnect-control':
        control.reconnect();
        witness?.reconnect();
        break;
      case 'left':
        host.left(effect);
        break;
      case 'settle':
        host.settle(effect.error);
        break;
      case 'halt':
        host.halt();
        break;
      case 'observe':
        host.observe(effect);
        break;
      case 'tell-attempt':
        host.attempt(effect);
        break;
      case 'warn':
        host.warn(effect);
        break;
      case 'log':
        logger[effect.level](effect.fields ?? {}, effect.message);
        break;
    }
  }

  /** A beat, and for whoever counts them how long it took. */
  async #timed(token: bigint, seat: SeatSession): Promise<boolean> {
    const { clock, host } = this.#options;
    const sent = clock.mono();
    let isKept = false;
    try {
      isKept = await seat.beat(token);
      return isKept;
    } finally {
      host.beaten({ token, roundTripMs: clock.mono() - sent, isKept });
    }
  }

  /** One at a time: whoever may notify could make us ask as often as it pleases. */
  #probe(): void {
    if (this.#isProbing) return;
    this.#isProbing = true;
    const { store, rules } = this.#options;
    void store.probe(rules.connectTimeoutMs).then((health) => {
      this.#isProbing = false;
      this.dispatch({ is: 'probed', health });
    });
  }

  /** Whom it may not end it waits for, as where they are only reported. */
  #tellBlockers(error: unknown): void {
    if (!isLockdError(error) || error.code !== 'LOCKD_FENCE_BLOCKED') throw error;
    const { code, message: reason } = error;
    const message = 'may not end what holds the takeover up';
    this.#options.host.warn({ do: 'warn', code, message, error, fields: { reason } });
  }

  #openSeat(seat: number): void {
    const { store, candidate, rules } = this.#options;
    this.#destroySeat();
    const opening = { session: undefined as SeatSession | undefined, abort: new AbortController() };
    this.#seat = opening;
    const broke = (error: unknown): void => this.dispatch({ seat, is: 'broken', error });
    store
      .openSeat(candidate, {
        hooks: { lost: broke },
        signal: opening.abort.signal,
        timeoutMs: rules.connectTimeoutMs,
      })
      .then((session) => {
        // Given up while it was being made: what arrives late is put away.
        if (opening.abort.signal.aborted) return session.destroy();
        opening.session = session;
        this.dispatch({ seat, is: 'opened' });
      }, broke);
  }

  #destroySeat(): void {
    this.#lookout.hurry();
    this.#seat?.abort.abort();
    this.#seat?.session?.destroy();
    this.#seat = undefined;
  }

  #ask<Answer>(
    call: (seat: SeatSession) => Promise<Answer>,
    news: (answer: Answer) => SeatNews,
  ): void {
    const { seat } = this.#state;
    const session = this.#seat?.session;
    if (session === undefined) throw new Error('the machine asked a session that is not open');
    call(session).then(
      (answer) => this.dispatch({ ...news(answer), seat } as SeatEvent),
      (error: unknown) => this.dispatch({ seat, is: 'broken', error }),
    );
  }
}
