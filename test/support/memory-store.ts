import type { Clock } from '../../src/core/clock.ts';
import { LockdError } from '../../src/core/errors.ts';
import type { Lease } from '../../src/core/machine/lease.ts';
import type {
  AttemptAnswer,
  Bid,
  BidAnswer,
  Candidate,
  ControlHooks,
  ControlSession,
  Notice,
  SeatHooks,
  SeatSession,
  ServerHealth,
  SessionOptions,
  Store,
} from '../../src/core/store.ts';

const history = { timeline: '00000001', systemIdentifier: '7', lockClass: 16_385 };

type Held = Omit<Lease, 'beatAgeMs' | 'recorded' | 'server'> & { beatAt: number | undefined };
type Row = { -readonly [Column in keyof Held]: Held[Column] };

interface Waiting {
  readonly session: MemorySeat;
  readonly grant: () => void;
}

/**
 * One name on one server, in memory: the seat's queue, the lease row, compare-and-set, notices.
 * It has what the protocol relies on, and no more: no fence gate, no idle timer, no promotion.
 */
export class MemoryStore implements Store {
  readonly clock: Clock;
  readonly row: Row = {
    token: 0n,
    beat: 0,
    beatAt: undefined,
    ttlMs: 0,
    heartbeatMs: 0,
    instance: undefined,
    label: undefined,
    isEnded: false,
  };
  /** What happened to the lease and the seat, in order. */
  readonly journal: string[] = [];
  /** While true, no connection is made. */
  isDown = false;
  /** While true, what is asked on a seat session is never answered. */
  isSilent = false;
  health: ServerHealth = 'accepting';
  readonly seats = new Set<MemorySeat>();
  readonly controls = new Set<MemoryControl>();
  holder: MemorySeat | undefined;
  #queue: Waiting[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  async openSeat(who: Candidate, { hooks }: SessionOptions<SeatHooks>): Promise<SeatSession> {
    this.#connect();
    const session = new MemorySeat(this, who, hooks);
    this.seats.add(session);
    return session;
  }

  async openControl(
    _who: Candidate,
    { hooks }: SessionOptions<ControlHooks>,
  ): Promise<ControlSession> {
    this.#connect();
    const session = new MemoryControl(this, hooks);
    this.controls.add(session);
    return session;
  }

  async probe(): Promise<ServerHealth> {
    return this.health;
  }

  /** The server ends every session, as on a restart. */
  restart(): void {
    const error = new LockdError('LOCKD_CONNECTION', 'terminating connection', {
      isRetryable: true,
    });
    for (const session of [...this.seats, ...this.controls]) {
      session.destroy();
      session.hooks.lost(error);
    }
  }

  get lease(): Lease {
    const { row, clock } = this;
    const { beatAt, ...rest } = row;
    return {
      ...rest,
      beatAgeMs: beatAt === undefined ? undefined : clock.mono() - beatAt,
      recorded: row.token === 0n ? undefined : history,
      server: history,
    };
  }

  tell(kind: Notice['kind'], token: bigint, reason: string | undefined): void {
    for (const { hooks } of [...this.controls]) {
      queueMicrotask(() => hooks.notice({ kind, token, reason }));
    }
  }

  /** The mark; false when there is nothing of this token to mark. */
  end(token: bigint, by: string): boolean {
    if (this.row.token !== token || this.row.isEnded) return false;
    this.row.isEnded = true;
    this.journal.push(`${by} ${token}`);
    return true;
  }

  stand(session: MemorySeat, waitMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const isFree = this.holder === undefined;
      const cancel = this.clock.setTimer(this.clock.mono() + waitMs, () => leave(false));
      const leave = (isGranted: boolean): void => {
        cancel();
        this.#queue = this.#queue.filter((waiting) => waiting.session !== session);
        resolve(isGranted);
      };
      this.#queue.push({ session, grant: () => leave(true) });
      if (isFree) this.#grant();
    });
  }

  free(session: MemorySeat): void {
    this.#queue = this.#queue.filter((waiting) => waiting.session !== session);
    if (this.holder !== session) return;
    this.holder = undefined;
    this.#grant();
  }

  #grant(): void {
    const [next] = this.#queue;
    if (next === undefined) return;
    this.holder = next.session;
    next.grant();
  }

  #connect(): void {
    if (!this.isDown) return;
    throw new LockdError('LOCKD_CONNECTION', 'connect ECONNREFUSED', { isRetryable: true });
  }
}

export class MemorySeat implements SeatSession {
  readonly backend = 1;
  readonly hooks: SeatHooks;
  readonly #store: MemoryStore;
  readonly #who: Candidate;

  constructor(store: MemoryStore, who: Candidate, hooks: SeatHooks) {
    this.#store = store;
    this.#who = who;
    this.hooks = hooks;
  }

  async attempt(waitMs: number): Promise<AttemptAnswer> {
    const isGranted = await this.#store.stand(this, waitMs);
    await this.#heard();
    return { isGranted, lease: this.#store.lease };
  }

  async readLease(): Promise<Lease> {
    await this.#heard();
    return this.#store.lease;
  }

  async takeover({ token, beat, isEnded, highestToken }: Bid): Promise<BidAnswer> {
    await this.#heard();
    const { row, clock } = this.#store;
    if (row.token !== token || row.beat !== beat || row.isEnded !== isEnded) {
      return { outcome: 'changed' };
    }
    const { instance, label, ttlMs, heartbeatMs } = this.#who;
    const above = [row.token + 1n, highestToken + 1n, BigInt(Math.floor(clock.mono()))];
    const taken = above.reduce((most, next) => (next > most ? next : most));
    const beatAt = clock.mono();
    const fresh = { token: taken, beat: 0, beatAt, isEnded: false };
    Object.assign(row, { ...fresh, instance, label, ttlMs, heartbeatMs });
    this.#store.journal.push(`taken ${taken}`);
    this.#store.tell('taken', taken, undefined);
    return { outcome: 'taken', token: taken };
  }

  async beat(token: bigint): Promise<boolean> {
    await this.#heard();
    const { row, clock, holder } = this.#store;
    if (row.token !== token || row.isEnded || holder !== this) return false;
    row.beat += 1;
    row.beatAt = clock.mono();
    return true;
  }

  async release(token: bigint, reason: string): Promise<boolean> {
    await this.#heard();
    const isMarked = this.#store.end(token, 'released');
    this.#store.free(this);
    this.#store.tell('released', token, reason);
    return isMarked;
  }

  async terminateBlockers(): Promise<void> {}

  destroy(): void {
    this.#store.seats.delete(this);
    this.#store.free(this);
  }

  async #heard(): Promise<void> {
    if (this.#store.isSilent) await new Promise(() => {});
    if (!this.#store.seats.has(this)) throw new LockdError('LOCKD_CONNECTION', 'not connected');
  }
}

export class MemoryControl implements ControlSession {
  readonly backend = 2;
  readonly hooks: ControlHooks;
  readonly #store: MemoryStore;

  constructor(store: MemoryStore, hooks: ControlHooks) {
    this.#store = store;
    this.hooks = hooks;
  }

  async testify(token: bigint, by: 'confession' | 'testimony', reason: string): Promise<boolean> {
    if (!this.#store.controls.has(this)) throw new LockdError('LOCKD_CONNECTION', 'not connected');
    if (this.#store.end(token, by)) this.#store.tell('ended', token, reason);
    return this.#store.row.token !== token || this.#store.row.isEnded;
  }

  destroy(): void {
    this.#store.controls.delete(this);
  }

  async close(): Promise<void> {
    this.destroy();
  }
}
