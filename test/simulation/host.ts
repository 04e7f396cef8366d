import { SingletonLockController } from '../../src/core/controller.ts';
import { silentLogger } from '../../src/core/log.ts';
import { settleOptions } from '../../src/core/options.ts';
import type { Place } from './connection.ts';
import type { Judge } from './invariants.ts';
import { Machine } from './machine.ts';
import type { Network } from './network.ts';
import { Process } from './process.ts';
import type { Server } from './server.ts';
import { SimulatedStore } from './store.ts';
import { SimulatedWitness } from './witness.ts';
import { Work } from './work.ts';
import type { World } from './world.ts';

export interface HostPlan {
  readonly ttlMs: number;
  /** How fast its clocks run. */
  readonly rate: number;
  readonly isGuarded: boolean;
  readonly blockers: 'report' | 'terminate';
  readonly drainTimeoutMs: number;
  readonly answerTimeoutMs: number;
}

export interface Surroundings {
  readonly world: World;
  readonly network: Network;
  readonly server: Server;
  readonly judge: Judge;
}

/** One process start: a controller of the real core, its work, and the guard beside it. */
export class Life {
  readonly host: Host;
  readonly instance: string;
  readonly process: Process;
  readonly controller: SingletonLockController;
  readonly store: SimulatedStore;
  readonly witness: SimulatedWitness | undefined;
  readonly work: Work;
  /** On what ground it said that it waits for its predecessor. */
  waitsOn: string | undefined;
  /** The term it has told of and not yet told the end of. */
  openToken: bigint | undefined;
  /** The term during which its gate was seen closed. */
  closedToken: bigint | undefined;
  /** Started, and not told to stop since. */
  isWanted = false;

  constructor(host: Host, surroundings: Surroundings, instance: string) {
    const { world, network, server, judge } = surroundings;
    const { plan, machine } = host;
    this.host = host;
    this.instance = instance;
    this.process = new Process(world, machine, instance, () => judge.look());
    const clock = machine.clockFor(this.process);
    const jitter = world.luck(`${instance} jitter`);
    const settled = settleOptions(
      {
        name: 'telegram-bot',
        label: instance,
        ttlMs: plan.ttlMs,
        fenceBlockers: plan.blockers,
        drainTimeoutMs: plan.drainTimeoutMs,
        connectTimeoutMs: plan.answerTimeoutMs,
        callTimeoutMs: plan.answerTimeoutMs,
        // Some go first when the seat comes free, some do not.
        priority: plan.isGuarded && plan.blockers === 'terminate' ? 1 : 0,
        clock,
        random: () => jitter.next(),
        logger: { ...silentLogger, info: (fields, message) => this.#told(fields, message) },
      },
      instance,
    );
    const luck = world.luck(`${instance} network`);
    const place: Place = { name: host.name, process: this.process, clock, network, server, luck };
    this.store = new SimulatedStore(place);
    this.witness = plan.isGuarded ? new SimulatedWitness(world, place, settled) : undefined;
    this.controller = new SingletonLockController(settled, {
      store: this.store,
      witness: this.witness,
    });
    this.work = new Work(world, this, place, judge);
    judge.watch(this);
  }

  get isRunning(): boolean {
    return this.process.isRunning;
  }

  /** Leads or waits, with every session that it wants. */
  get isReady(): boolean {
    const { seats, controls } = this.store.open;
    const { state } = this.controller;
    return (
      this.process.isListening &&
      (state === 'active' || state === 'passive') &&
      seats.size === 1 &&
      controls.size === 1 &&
      this.witness?.isWaiting !== false
    );
  }

  start(): void {
    this.process.deliver(() => {
      this.isWanted = true;
      // Rejects with what stopped it; that is what was wanted.
      void this.controller.start().catch(() => {});
    });
  }

  stop(force: boolean): void {
    this.process.deliver(() => {
      this.isWanted = false;
      void this.controller.stop({ force });
    });
  }

  resign(force: boolean): void {
    this.process.deliver(() => void this.controller.resign({ force }));
  }

  /** The process dies; its guard is told by the end of the pipe, if the machine still runs. */
  kill(isMachineDead: boolean): void {
    if (!this.process.isAlive) return;
    this.process.kill(isMachineDead);
    if (isMachineDead) this.witness?.process.kill(true);
    else this.witness?.hostDied();
  }

  #told(fields: object, message: string): void {
    if (message === 'won the seat, waits for the old lease to run out') {
      this.waitsOn = (fields as { ground: string }).ground;
    }
  }
}

export class Host {
  readonly name: string;
  readonly plan: HostPlan;
  readonly machine: Machine;
  readonly #surroundings: Surroundings;
  readonly #lives: Life[] = [];
  /** Its work begins no more transactions: a takeover waits for them, however long they last. */
  isCalm = false;
  life: Life;

  constructor(name: string, plan: HostPlan, surroundings: Surroundings) {
    this.name = name;
    this.plan = plan;
    this.machine = new Machine(surroundings.world, plan.rate);
    this.#surroundings = surroundings;
    this.life = this.#born();
  }

  /** A new process, with a new instance, unless one lives. */
  restart(): void {
    if (this.life.process.isAlive) return;
    this.life = this.#born();
    this.life.start();
  }

  /** The machine wakes up, and all that runs on it. */
  resume(): void {
    this.machine.resume();
    for (const { process, witness } of this.#lives) {
      process.goOn();
      witness?.process.goOn();
    }
  }

  /** Whatever kept its processes from running is over. */
  wake(): void {
    this.life.process.wake();
    this.life.witness?.process.wake();
  }

  #born(): Life {
    const number = this.#lives.length + 1;
    const instance = number === 1 ? this.name : `${this.name}${number}`;
    const life = new Life(this, this.#surroundings, instance);
    this.#lives.push(life);
    return life;
  }
}
