import { SingletonLockController } from '../../../src/core/controller.ts';
import type { Hold } from '../../../src/core/locks/hold.ts';
import { ControllerLease } from '../../../src/core/locks/lease.ts';
import { LockManager } from '../../../src/core/locks/manager.ts';
import { settleLocks } from '../../../src/core/locks/settings.ts';
import type { Mode } from '../../../src/core/locks/store.ts';
import { silentLogger } from '../../../src/core/log.ts';
import type { MemoryServer } from '../../../src/testing/memory-server.ts';
import type { Luck } from '../luck.ts';
import { Machine } from '../machine.ts';
import { Process } from '../process.ts';
import type { World } from '../world.ts';
import type { HoldJudge } from './judge.ts';
import { ServerLine } from './line.ts';
import type { ProcessPlan } from './schedule.ts';

type Use = readonly [resource: string, mode: Mode];

/** What they all want, and how. */
export const uses: readonly [Use, Use, ...Use[]] = [
  ['x', 'exclusive'],
  ['y', 'exclusive'],
  ['page', 'exclusive'],
  ['page', 'shared'],
  ['gpu', { permits: 2 }],
];

export interface Surroundings {
  readonly world: World;
  readonly server: MemoryServer;
  readonly judge: HoldJudge;
}

/** One process: a lock manager of the real core, and workers that take holds. */
export class Life {
  readonly name: string;
  readonly process: Process;
  readonly locks: LockManager;
  readonly line: ServerLine;
  readonly instance: string;
  readonly ttlMs: number;
  /** How many of its workers have not ended. */
  working = 0;
  #waiting = new AbortController();
  readonly #surroundings: Surroundings;
  readonly #luck: Luck;
  readonly #clock: ReturnType<Machine['clockFor']>;
  #isClosing = false;

  constructor(name: string, plan: ProcessPlan, surroundings: Surroundings) {
    const { world, server, judge } = surroundings;
    this.name = name;
    this.ttlMs = plan.ttlMs;
    this.#surroundings = surroundings;
    this.#luck = world.luck(`${name} work`);
    this.process = new Process(world, new Machine(world, plan.rate), name, () => judge.look());
    this.#clock = this.process.machine.clockFor(this.process);
    const jitter = world.luck(`${name} jitter`);
    const settled = settleLocks({
      label: name,
      ttlMs: plan.ttlMs,
      drainTimeoutMs: 300,
      connectTimeoutMs: 800,
      callTimeoutMs: 800,
      reconnectMaxMs: 500,
      reportAfterMs: 60_000,
      clock: this.#clock,
      random: () => jitter.next(),
      logger: silentLogger,
    });
    const { candidate, rules } = settled;
    this.instance = candidate.instance;
    const luck = world.luck(`${name} network`);
    const { callTimeoutMs } = rules;
    this.line = new ServerLine(
      {
        ...{ world, server, process: this.process, who: candidate, callTimeoutMs, luck },
        heard: (kind) => world.tell(name, () => `hears on its ${kind} session`),
      },
      (notice) => lease.hear(notice),
    );
    const controller = new SingletonLockController(settled, { store: this.line.store });
    const lease = new ControllerLease(controller, this.#clock, candidate.ttlMs);
    this.locks = new LockManager({ ...settled, ...rules, store: this.line.locks, lease });
    for (let lane = 0; lane < plan.lanes; lane += 1) this.#work(lane);
  }

  /** Its workers end when they have what they wait for, and have given it back. */
  close(): void {
    this.process.deliver(() => {
      this.#isClosing = true;
    });
  }

  /** Every wait that may be called off is called off. */
  cancel(): void {
    this.#waiting.abort(new Error('called off'));
    this.#waiting = new AbortController();
  }

  #work(lane: number): void {
    this.working += 1;
    this.process.deliver(() => {
      void this.#lane(lane).finally(() => {
        this.working -= 1;
      });
    });
  }

  async #lane(lane: number): Promise<void> {
    for (let round = 1; !this.#isClosing; round += 1) {
      await this.#pause(this.#luck.between(0, 120));
      if (this.#isClosing) return;
      const owner = `${this.name}${lane}.${round}`;
      const [first, second] = this.#luck.chance(0.1) ? this.#two() : [this.#one(), undefined];
      try {
        await this.#under(first, owner, async () => {
          if (second !== undefined) await this.#under(second, owner, async () => {});
        });
      } catch (error) {
        if (!isExpected(error)) throw error;
      }
    }
  }

  #one(): Use {
    return uses[Math.floor(this.#luck.next() * uses.length)] as Use;
  }

  /** In either order: two of these may stand in a circle. */
  #two(): readonly [Use, Use] {
    const [x, y] = uses;
    return this.#luck.chance(0.5) ? [x, y] : [y, x];
  }

  async #under([resource, mode]: Use, owner: string, work: () => Promise<void>): Promise<void> {
    const { judge, world } = this.#surroundings;
    const options = {
      mode,
      owner,
      signal: this.#luck.chance(0.4) ? this.#waiting.signal : undefined,
      ttlMs: this.#luck.chance(0.2) ? this.#luck.between(20, 200) : undefined,
      waitMs: this.#luck.chance(0.2) ? Math.floor(this.#luck.between(0, 300)) : undefined,
    };
    const holdMs = this.#luck.chance(0.15)
      ? this.#luck.between(100, 2_500)
      : this.#luck.between(0, 60);
    const hold: Hold = await this.locks.acquire(resource, options);
    world.tell(this.name, () => `has ${resource} as ${hold.token}, for ${owner}`);
    judge.had(this.process, hold);
    try {
      await this.#pause(holdMs);
      await work();
    } finally {
      await hold.release();
      world.tell(this.name, () => `has given back ${resource}, ${hold.token}`);
      judge.gone(hold);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.setTimer(this.#clock.mono() + ms, resolve);
    });
  }
}

const isExpected = (error: unknown): boolean => {
  const { code, message } = error as { code?: string; message?: string };
  const codes = ['LOCKD_BUSY', 'LOCKD_DEADLOCK', 'LOCKD_UNAVAILABLE', 'LOCKD_STOPPED'];
  return message === 'called off' || codes.includes(`${code}`);
};
