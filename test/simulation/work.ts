import type { Clock } from '../../src/core/clock.ts';
import { LockdError } from '../../src/core/errors.ts';
import type { Term } from '../../src/core/term.ts';
import { Connection, type Place } from './connection.ts';
import type { Life } from './host.ts';
import type { Judge } from './invariants.ts';
import type { Luck } from './luck.ts';
import type { World } from './world.ts';

interface Unit {
  readonly token: bigint;
  finish(): void;
}

/** A careless user's timeout for a transaction of his own. */
const transactionMs = 4_000;

/**
 * What a host does while it leads: units of gated work, which end soon after their term is aborted
 * or do not, and fenced transactions, which nobody drains and which heed nothing but the fence.
 */
export class Work {
  readonly #world: World;
  readonly #life: Life;
  readonly #place: Place;
  readonly #judge: Judge;
  readonly #luck: Luck;
  readonly #clock: Clock;
  readonly #inFlight = new Set<Unit>();
  /** Units that are aborted go on for this long; the next ones, when the schedule says so. */
  stubbornMs = 0;
  #isWriting = false;

  constructor(world: World, life: Life, place: Place, judge: Judge) {
    this.#world = world;
    this.#life = life;
    this.#place = place;
    this.#judge = judge;
    this.#clock = place.clock;
    this.#luck = world.luck(`${life.instance} work`);
    life.controller.on('active', (term) => this.#begin(term));
  }

  /** Work under this token that has not finished, in a process that lives. */
  runsUnder(token: bigint): boolean {
    return this.#life.process.isAlive && [...this.#inFlight].some((unit) => unit.token === token);
  }

  /** Whatever is still running comes to its end now. */
  finish(): void {
    this.stubbornMs = 0;
    for (const unit of this.#inFlight) this.#life.process.deliver(() => unit.finish());
  }

  #begin(term: Term): void {
    const next = this.#life.controller.gated(() => this.#unit(term));
    const again = (): void => {
      if (term.signal.aborted) return;
      void next();
      const writes = this.#luck.chance(0.3) && !this.#life.host.isCalm;
      if (writes) void this.#write(term.token);
      this.#clock.setTimer(this.#clock.mono() + this.#luck.between(400, 3_500), again);
    };
    again();
  }

  #unit(term: Term): Promise<void> {
    this.#judge.worked(this.#life, term.token);
    return new Promise((resolve) => {
      const unit: Unit = {
        token: term.token,
        finish: () => {
          cancel();
          term.signal.removeEventListener('abort', heed);
          this.#inFlight.delete(unit);
          resolve();
        },
      };
      this.#inFlight.add(unit);
      const wait = (ms: number): (() => void) =>
        this.#clock.setTimer(this.#clock.mono() + ms, unit.finish);
      let cancel = wait(this.#luck.between(10, 2_000));
      const heed = (): void => {
        cancel();
        cancel = wait(this.stubbornMs + this.#luck.between(0, 300));
      };
      term.signal.addEventListener('abort', heed);
    });
  }

  /** Begun under a term, and committed whenever the answers come, whoever leads by then. */
  async #write(token: bigint): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    const connection = new Connection(this.#place, 'work', 10_000, {});
    const cancel = this.#clock.setTimer(this.#clock.mono() + transactionMs, () =>
      connection.destroy(),
    );
    try {
      await connection.connect('work', { name: 'work' } as never);
      await connection.ask({ ask: 'fence', token });
      await this.#pause(this.#luck.chance(0.3) ? this.#luck.between(0, 3_000) : 5);
      await connection.ask({ ask: 'commit' });
    } catch (error) {
      if (!(error instanceof LockdError)) throw error;
      this.#world.tell(this.#life.instance, () => `gives up a transaction: ${error.message}`);
    } finally {
      cancel();
      connection.destroy();
      this.#isWriting = false;
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.setTimer(this.#clock.mono() + ms, resolve);
    });
  }
}
