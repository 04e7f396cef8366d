import type { Clock } from '../../src/core/clock.ts';
import { ControlLink } from '../../src/core/control.ts';
import { silentLogger } from '../../src/core/log.ts';
import type { Settled } from '../../src/core/options.ts';
import type { Witness } from '../../src/core/runtime.ts';
import type { Place } from './connection.ts';
import { Process } from './process.ts';
import { SimulatedStore } from './store.ts';
import type { World } from './world.ts';

/**
 * The guard beside a host, as src/guard has it: hears over a pipe what may be trusted until when,
 * and testifies once the host's process is gone. Its link to the database is the real one.
 */
export class SimulatedWitness implements Witness {
  readonly process: Process;
  readonly #world: World;
  readonly #clock: Clock;
  readonly #link: ControlLink;
  readonly #store: SimulatedStore;
  #left: Promise<void> = Promise.resolve();
  #term: { readonly token: bigint; readonly until: number } | undefined;

  constructor(world: World, host: Place, settled: Settled) {
    this.#world = world;
    this.process = new Process(world, host.process.machine, `${host.process.name}'s guard`);
    const clock = host.process.machine.clockFor(this.process);
    this.#clock = clock;
    const luck = world.luck(`${this.process.name} network`);
    const jitter = world.luck(`${this.process.name} jitter`);
    const place = { ...host, process: this.process, clock, luck };
    this.#store = new SimulatedStore(place, { isWitness: true });
    this.#link = new ControlLink({
      ...settled.rules,
      store: this.#store,
      candidate: settled.candidate,
      clock,
      random: () => jitter.next(),
      logger: silentLogger,
    });
  }

  /** Has nothing left to do, or is there to testify. */
  get isWaiting(): boolean {
    return !this.process.isAlive || this.#store.open.controls.size === 1;
  }

  async start(): Promise<void> {
    // Also right after a stop: the next one begins when the last one has left.
    this.#pipe(() => void this.#left.then(() => this.#link.start(() => {})));
  }

  vouch(token: bigint, until: number): void {
    this.#pipe(() => {
      this.#term = { token, until };
    });
  }

  reconnect(): void {
    this.#pipe(() => this.#link.reconnect());
  }

  async stop(): Promise<void> {
    this.#pipe(() => {
      this.#term = undefined;
      this.#left = this.#link.stop();
    });
  }

  /** The pipe has ended and the host's process is not there any more. */
  hostDied(): void {
    this.#pipe(() => {
      const term = this.#term;
      if (term === undefined || this.#clock.mono() >= term.until) return void this.#link.stop();
      void this.#link
        .testify(term.token, 'testimony', 'its process died', term.until)
        .then(() => this.#link.stop());
    }, 20);
  }

  // What was written to a pipe is read in order, also after its writer's death.
  #pipe(read: () => void, afterMs = 1): void {
    this.#world.after(afterMs, () => this.process.deliver(read));
  }
}
