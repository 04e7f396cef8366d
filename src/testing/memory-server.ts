import { type Clock, systemClock } from '../core/clock.ts';
import { pause } from '../core/control.ts';
import { type Deferred, deferred } from '../core/deferred.ts';
import { LockdError } from '../core/errors.ts';
import type { LockStore } from '../core/locks/store.ts';
import type { Lease } from '../core/machine/lease.ts';
import type {
  Candidate,
  ControlHooks,
  ControlSession,
  Notice,
  SeatHooks,
  SeatSession,
  ServerHealth,
  SessionOptions,
  Store,
} from '../core/store.ts';
import { ProcessHolds } from './process-holds.ts';
import { epochMs, Seat } from './seat.ts';
import { connectionLost, Session, type SessionKind, unanswered } from './session.ts';
import { WorkSession } from './work.ts';

export interface MemoryServerOptions {
  /** What leases, waits and idle timers are counted on. @default the clock of this machine */
  readonly clock?: Clock | undefined;
}

/** Whose sessions: all that fit. A controller is a way to say it, too: it has both names. */
export interface Whose {
  readonly name?: string | undefined;
  /** `controller.instance` */
  readonly instance?: string | undefined;
  /** The one session with this process id. */
  readonly backend?: number | undefined;
  /**
   * A controller campaigns, leads and beats on its seat session; it listens on its control session. A
   * lock manager has both, and asks for holds on its work session.
   */
  readonly kind?: SessionKind | undefined;
}

/**
 * What lockd needs of a PostgreSQL server, in the memory of this process, for any number of names,
 * controllers and lock managers: the seat and its queue, the lease, compare-and-set, holds, notices. It
 * answers as a real one does; the conformance cases pass on both. It has no fence (`assertFence` takes a real
 * transaction), no history and no status.
 *
 * What a test does to it the controllers learn of a moment later: `await clock.advance(0)`. One that
 * nobody else competes with may lead again in that same moment, under its next token.
 */
export class MemoryServer implements Store {
  readonly clock: Clock;
  readonly #seats = new Map<string, Seat>();
  readonly #sessions = new Set<Session>();
  readonly #cuts = new Map<string, Deferred<void>>();
  readonly #holds: ProcessHolds;
  #backends = 0;
  #isDown = false;

  constructor({ clock = systemClock }: MemoryServerOptions = {}) {
    this.clock = clock;
    this.#holds = new ProcessHolds({
      now: () => new Date(epochMs + clock.mono()),
      seatOf: (name) => this.#seatOf(name),
      tell: (name, notice) => this.#send(name, ({ held }) => held?.(notice)),
    });
  }

  /** The lease of a name as it stands in its row: who leads or led last, under which token. */
  leaseOf(name: string): Lease {
    return this.#seatOf(name).lease;
  }

  /** Asks whoever leads to resign, as `lockd resign` does. False when nobody leads. */
  resign(name: string, reason = 'asked by a test'): boolean {
    const { token, isEnded } = this.leaseOf(name);
    if (token === 0n || isEnded) return false;
    this.#tell(name, { kind: 'resign', token, reason });
    return true;
  }

  /** Ends sessions, as `pg_terminate_backend` does. Returns how many. */
  terminate(whose: Whose): number {
    const ended = [...this.#sessions].filter(
      (session) =>
        [undefined, session.who.name].includes(whose.name) &&
        [undefined, session.who.instance].includes(whose.instance) &&
        [undefined, session.backend].includes(whose.backend) &&
        [undefined, session.kind].includes(whose.kind),
    );
    for (const session of ended) session.end(terminated);
    return ended.length;
  }

  /** Ends every session; the rows stay, and whoever comes back is let in. */
  restart(): void {
    this.terminate({});
  }

  /** As `restart()`, and what was held is forgotten, as after a crash; leases are not. */
  crash(): void {
    this.restart();
    this.#holds.forget();
  }

  /** Ends every session and refuses connections until `comeUp()`. */
  goDown(): void {
    this.#isDown = true;
    this.restart();
  }

  comeUp(): void {
    this.#isDown = false;
  }

  /**
   * Nothing passes between this instance and the server until `mend()`, and nobody is told: the
   * instance hears no answer, and its sessions last until the server finds them idle for too long.
   */
  cutOff({ instance }: { readonly instance: string }): void {
    if (!this.#cuts.has(instance)) this.#cuts.set(instance, deferred());
  }

  /** What was on its way arrives, unless its session has ended meanwhile. */
  mend({ instance }: { readonly instance: string }): void {
    this.#cuts.get(instance)?.resolve();
    this.#cuts.delete(instance);
  }

  async openSeat(who: Candidate, options: SessionOptions<SeatHooks>): Promise<SeatSession> {
    const session = await this.#connect('seat', who, options);
    const seat = this.#seatOf(who.name);
    session.idleMs = who.isEligible ? who.passiveIdleMs : 0;
    session.rest();
    return {
      backend: session.backend,
      attempt: (waitMs) =>
        session.ask(() => {
          session.idleMs = who.passiveIdleMs;
          return seat.attempt(session, Math.round(waitMs));
        }),
      readLease: () => session.ask(() => seat.lease),
      takeover: (bid) =>
        session.ask(() => {
          const answer = seat.succeed(session, bid, who);
          if (answer.outcome !== 'taken') return answer;
          session.idleMs = who.ttlMs;
          this.#tell(who.name, { kind: 'taken', token: answer.token, reason: undefined });
          return answer;
        }),
      beat: (token) => session.ask(() => seat.beat(session, token)),
      release: (token, reason) =>
        session.ask(() => {
          const isMarked = seat.markEnded(token);
          const wasHeld = seat.leave(session);
          this.#tell(who.name, { kind: 'released', token, reason });
          if (wasHeld) return isMarked;
          throw new LockdError('LOCKD_UNCERTAIN', 'This session did not hold the seat.', {
            isRetryable: true,
          });
        }),
      terminateBlockers: () => session.ask(() => {}),
      destroy: () => session.destroy(),
    };
  }

  async openControl(
    who: Candidate,
    options: SessionOptions<ControlHooks>,
  ): Promise<ControlSession> {
    const session = await this.#connect('control', who, options);
    const seat = this.#seatOf(who.name);
    return {
      backend: session.backend,
      testify: (token, _by, reason) =>
        session.bounded(options.timeoutMs, () => {
          if (seat.markEnded(token)) this.#tell(who.name, { kind: 'ended', token, reason });
          return seat.lease.token !== token || seat.lease.isEnded;
        }),
      answerHandoff: async () => false,
      destroy: () => session.destroy(),
      close: async () => session.destroy(),
    };
  }

  /** What a lock manager asks for holds: through one session, made when it is first needed. */
  openLocks(who: Candidate, timeoutMs: number): LockStore {
    return new WorkSession({
      process: this.#holds.processOf(who.name),
      holds: this.#holds,
      timeoutMs,
      connect: (options) => this.#connect('work', who, options),
    });
  }

  async probe(): Promise<ServerHealth> {
    return this.#isDown ? 'unknown' : 'accepting';
  }

  async #connect(
    kind: SessionKind,
    who: Candidate,
    { hooks, signal, timeoutMs }: SessionOptions<SeatHooks>,
  ): Promise<Session> {
    const cut = this.#cuts.get(who.instance);
    if (cut !== undefined) await this.#bounded(cut.promise, timeoutMs, signal);
    signal.throwIfAborted();
    if (this.#isDown) throw connectionLost('connect ECONNREFUSED');
    this.#backends += 1;
    const session = new Session({
      kind,
      who,
      hooks,
      clock: this.clock,
      backend: this.#backends,
      arrival: async () => this.#cuts.get(who.instance)?.promise,
      over: (ended) => {
        this.#sessions.delete(ended);
        this.#seatOf(who.name).leave(ended);
      },
    });
    this.#sessions.add(session);
    return session;
  }

  async #bounded(mended: Promise<void>, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const whole = new AbortController();
    void mended.then(() => whole.abort());
    await pause(this.clock, timeoutMs, AbortSignal.any([signal, whole.signal]));
    signal.throwIfAborted();
    if (!whole.signal.aborted) throw unanswered(timeoutMs);
  }

  #tell(name: string, notice: Notice): void {
    this.#send(name, (hooks) => hooks.notice?.(notice));
  }

  #send(name: string, hear: Parameters<Session['tell']>[0]): void {
    for (const session of this.#sessions) {
      if (session.kind === 'control' && session.who.name === name) session.tell(hear);
    }
  }

  #seatOf(name: string): Seat {
    const moved = (before: bigint): void => this.#holds.moved(name, before);
    const seat = this.#seats.get(name) ?? new Seat(this.clock, moved);
    this.#seats.set(name, seat);
    return seat;
  }
}

const terminated = 'terminating connection due to administrator command';
