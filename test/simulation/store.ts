import { LockdError } from '../../src/core/errors.ts';
import type { Lease } from '../../src/core/machine/lease.ts';
import type {
  AttemptAnswer,
  BidAnswer,
  Candidate,
  ControlHooks,
  ControlSession,
  SeatHooks,
  SeatSession,
  ServerHealth,
  SessionOptions,
  Store,
} from '../../src/core/store.ts';
import { Connection, type Place } from './connection.ts';
import type { Purpose, Request } from './messages.ts';

/** Sessions of one process that are not over: what one watcher may have of them is bounded. */
interface Open {
  readonly seats: Set<Connection>;
  readonly controls: Set<Connection>;
}

/** The `Store` of one process: what src/postgres does to a real server, on the simulated one. */
export class SimulatedStore implements Store {
  readonly #place: Place;
  readonly #isWitness: boolean;
  readonly open: Open = { seats: new Set(), controls: new Set() };

  constructor(place: Place, { isWitness = false }: { readonly isWitness?: boolean } = {}) {
    this.#place = place;
    this.#isWitness = isWitness;
  }

  async openSeat(who: Candidate, options: SessionOptions<SeatHooks>): Promise<SeatSession> {
    const connection = await this.#open('seat', who, options, this.open.seats);
    const ask = <Answer>(request: Request) => connection.ask(request) as Promise<Answer>;
    return {
      backend: connection.backend,
      attempt: (waitMs, yieldedMs = 0) =>
        ask<AttemptAnswer>({
          ask: 'attempt',
          waitMs: Math.round(waitMs),
          idleMs: who.passiveIdleMs,
          yieldedMs,
        }),
      readLease: () => ask<Lease>({ ask: 'read' }),
      takeover: (bid) => ask<BidAnswer>({ ask: 'takeover', bid, who }),
      beat: (token) => ask<boolean>({ ask: 'beat', token }),
      release: (token, reason) => ask<boolean>({ ask: 'release', token, reason }),
      terminateBlockers: () => ask<void>({ ask: 'terminate-blockers' }),
      destroy: () => connection.destroy(),
    };
  }

  async openControl(
    who: Candidate,
    options: SessionOptions<ControlHooks>,
  ): Promise<ControlSession> {
    const purpose = this.#isWitness ? 'witness' : 'control';
    const connection = await this.#open(purpose, who, options, this.open.controls);
    return {
      backend: connection.backend,
      testify: (token, by, reason) =>
        this.#bounded(
          connection,
          connection.ask({ ask: 'testify', token, by, reason }) as Promise<boolean>,
          options.timeoutMs,
        ),
      answerHandoff: async () => false,
      destroy: () => connection.destroy(),
      close: async () => {
        connection.say({ ask: 'goodbye' });
        connection.destroy();
      },
    };
  }

  async probe(timeoutMs: number): Promise<ServerHealth> {
    const connection = new Connection(this.#place, 'control', 60_000, {});
    try {
      const nobody = { name: 'probe' } as Candidate;
      await this.#bounded(connection, connection.connect('probe', nobody), timeoutMs);
      connection.say({ ask: 'goodbye' });
      return 'accepting';
    } catch (error) {
      const isClosing = error instanceof LockdError && error.code === 'LOCKD_UNAVAILABLE';
      return isClosing ? 'shutting-down' : 'unknown';
    } finally {
      connection.destroy();
    }
  }

  async #open(
    purpose: Purpose,
    who: Candidate,
    { hooks, signal, timeoutMs }: SessionOptions<SeatHooks & Partial<ControlHooks>>,
    open: Set<Connection>,
  ): Promise<Connection> {
    signal.throwIfAborted();
    let isReady = false;
    const scope = purpose === 'seat' ? 'seat' : 'control';
    const connection = new Connection(this.#place, scope, keepaliveMs(who.ttlMs), {
      lost: (error) => isReady && hooks.lost(error),
      notice: (notice) => hooks.notice?.(notice),
      over: () => open.delete(connection),
    });
    open.add(connection);
    const cut = (): void => connection.destroy();
    signal.addEventListener('abort', cut, { once: true });
    try {
      await this.#bounded(connection, connection.connect(purpose, who), timeoutMs);
      // It may have ended right behind its first answer: what is asked next says so.
      if (connection.ended !== undefined) throw connection.ended;
      isReady = true;
      return connection;
    } catch (error) {
      connection.destroy();
      throw error;
    } finally {
      signal.removeEventListener('abort', cut);
    }
  }

  async #bounded<Value>(
    connection: Connection,
    answer: Promise<Value>,
    timeoutMs: number,
  ): Promise<Value> {
    const { clock } = this.#place;
    let hasTimedOut = false;
    const cancel = clock.setTimer(clock.mono() + timeoutMs, () => {
      hasTimedOut = true;
      connection.destroy();
    });
    try {
      return await answer;
    } catch (error) {
      if (!hasTimedOut) throw error;
      throw new LockdError('LOCKD_TIMEOUT', `no answer within ${timeoutMs} ms`, {
        isRetryable: true,
      });
    } finally {
      cancel();
    }
  }
}

/** As src/postgres/pins.ts sets them. */
const keepaliveMs = (ttlMs: number): number => {
  const seconds = Math.ceil(ttlMs / 1000);
  return 1000 * (Math.max(1, Math.ceil(seconds / 2)) + 3 * Math.max(1, Math.ceil(seconds / 6)));
};
