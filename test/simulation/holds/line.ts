import { LockdError } from '../../../src/core/errors.ts';
import type { LockStore } from '../../../src/core/locks/store.ts';
import type { Candidate, ControlSession, SeatSession, Store } from '../../../src/core/store.ts';
import type { MemoryServer } from '../../../src/testing/memory-server.ts';
import type { Luck } from '../luck.ts';
import type { Process } from '../process.ts';
import type { World } from '../world.ts';

type Kind = 'seat' | 'control' | 'work';

export interface LineParts {
  readonly world: World;
  readonly server: MemoryServer;
  readonly process: Process;
  readonly who: Candidate;
  readonly callTimeoutMs: number;
  readonly luck: Luck;
  readonly heard: (kind: Kind) => void;
}

/** The way of one process to the server and back: what is sent takes its time, and keeps its order. */
export class ServerLine {
  readonly store: Store;
  readonly locks: LockStore;
  readonly #parts: LineParts;
  readonly #arrivals = new Map<string, number>();
  /** Until then every answer to a call about holds is lost, with its session. */
  losesUntil = 0;
  /** Until then everything takes up to so long. */
  slowUntil = 0;
  slowMs = 0;
  /** Until then no news of holds arrives. */
  losesNewsUntil = 0;

  constructor(parts: LineParts, hear: (notice: never) => void) {
    this.#parts = parts;
    const { server, who, callTimeoutMs } = parts;
    this.store = {
      openSeat: (whose, { hooks, ...rest }) =>
        this.#call('seat', async () => {
          const lost = (error: LockdError) => this.#tell('seat', () => hooks.lost(error));
          return this.#seat(await server.openSeat(whose, { ...rest, hooks: { ...hooks, lost } }));
        }),
      openControl: (whose, { hooks, ...rest }) =>
        this.#call('control', async () => {
          const ours: typeof hooks = {
            ...hooks,
            lost: (error) => this.#tell('control', () => hooks.lost(error)),
            notice: (notice) => this.#tell('control', () => hooks.notice(notice)),
            held: (notice) => {
              if (parts.world.now >= this.losesNewsUntil)
                this.#tell('control', () => hear(notice as never));
            },
          };
          return this.#control(await server.openControl(whose, { ...rest, hooks: ours }));
        }),
      probe: () => this.#call('control', () => server.probe()),
    };
    const locks = server.openLocks(who, callTimeoutMs);
    this.locks = this.#wrapped('work', locks, [
      'take',
      'drop',
      'ask',
      'leave',
      'describe',
      'beats',
      'expire',
      'queues',
      'askBack',
      'takeBack',
      'close',
    ]);
  }

  #seat(session: SeatSession): SeatSession {
    const calls = ['attempt', 'readLease', 'takeover', 'beat', 'release'] as const;
    return {
      ...this.#wrapped('seat', session, [...calls, 'terminateBlockers']),
      backend: session.backend,
      destroy: () => session.destroy(),
    };
  }

  #control(session: ControlSession): ControlSession {
    return {
      ...this.#wrapped('control', session, ['testify', 'close']),
      backend: session.backend,
      destroy: () => session.destroy(),
    };
  }

  #wrapped<Target extends object>(
    kind: Kind,
    target: Target,
    names: readonly (keyof Target & string)[],
  ): Target {
    const wrapped: Record<string, unknown> = {};
    for (const name of names) {
      const method = target[name] as (...args: unknown[]) => Promise<unknown>;
      wrapped[name] = (...args: unknown[]) =>
        this.#call(kind, () => method.apply(target, args), name !== 'close');
    }
    return wrapped as Target;
  }

  /** There, and back again. */
  #call<Answer>(kind: Kind, work: () => Promise<Answer>, mayFail = true): Promise<Answer> {
    const { world, process, server, who } = this.#parts;
    return new Promise((resolve, reject) => {
      world.at(this.#arrival(`${kind} up`), () => {
        if (!process.isAlive) return;
        const isLost = mayFail && kind === 'work' && world.now < this.losesUntil;
        void work()
          .then((answer) => {
            if (!isLost) return () => resolve(answer);
            server.terminate({ instance: who.instance, kind });
            const message = 'Connection terminated unexpectedly';
            throw new LockdError('LOCKD_CONNECTION', message, { isRetryable: true });
          })
          .catch((error) => () => reject(error))
          .then((settle) => this.#tell(kind, settle));
      });
    });
  }

  #tell(kind: Kind, hear: () => void): void {
    const { world, process, heard } = this.#parts;
    world.at(this.#arrival(`${kind} down`), () =>
      process.deliver(() => {
        heard(kind);
        hear();
      }),
    );
  }

  /** When what is sent now arrives: after everything that was sent before it on the same way. */
  #arrival(way: string): number {
    const { world, luck } = this.#parts;
    const usualMs = luck.chance(0.05) ? luck.between(5, 120) : luck.between(0.1, 3);
    const ms = world.now < this.slowUntil ? luck.between(0, this.slowMs) : usualMs;
    const at = Math.max(world.now + ms, (this.#arrivals.get(way) ?? 0) + 0.001);
    this.#arrivals.set(way, at);
    return at;
  }
}
