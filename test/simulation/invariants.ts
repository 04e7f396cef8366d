import { isLockdError } from '../../src/core/errors.ts';
import type { Term } from '../../src/core/term.ts';
import type { Backend } from './backend.ts';
import type { LeaseRow } from './database.ts';
import type { Life } from './host.ts';
import type { Request } from './messages.ts';
import type { Observer, Server } from './server.ts';
import type { Tally } from './tally.ts';
import type { World } from './world.ts';

/** What a fault can wait for: the name of a moment, and where it was. */
export type Moment =
  | 'attempt'
  | 'granted'
  | 'takeover'
  | 'taken'
  | 'beat'
  | 'release'
  | 'marked'
  | 'unlocked'
  | 'active'
  | 'passive'
  | 'fence';

/**
 * Sees everything, in true time, and says which promise is broken. Looks after each thing that
 * happens: an overlap begins where a gate opens or where its process goes on, and both are such.
 */
export class Judge implements Observer {
  readonly #world: World;
  readonly #tally: Tally;
  readonly #lives: Life[] = [];
  readonly #owners = new Map<bigint, Life>();
  #highestTaken = 0n;
  #highestOpened = 0n;
  #highestWorked = 0n;
  server: Server | undefined;
  moment: (moment: Moment, place: string) => void = () => {};

  constructor(world: World, tally: Tally) {
    this.#world = world;
    this.#tally = tally;
  }

  watch(life: Life): void {
    this.#lives.push(life);
    const { controller, instance } = life;
    controller.on('active', (term) => this.#becameActive(life, term));
    controller.on('passive', (term, reason) => this.#becamePassive(life, term, reason));
    controller.on('warning', (error) => {
      this.#world.tell(instance, () => `warns: ${error.message}`);
      if (isLockdError(error)) this.#tally.count('warning', error.code);
    });
    controller.on('stopped', () => this.#world.tell(instance, () => 'has stopped'));
  }

  get leader(): Life | undefined {
    return this.#lives.find(({ isRunning, controller }) => isRunning && controller.isActive());
  }

  look(): void {
    let open: Life | undefined;
    for (const life of this.#lives) {
      const { seats, controls } = life.store.open;
      if (seats.size > 1 || controls.size > 1) {
        this.#world.violate(
          'one watcher',
          `${life.instance} has ${seats.size} seat sessions and ${controls.size} control sessions`,
        );
      }
      if (!life.isRunning) continue;
      if (!life.controller.isActive()) {
        life.closedToken = life.openToken;
        continue;
      }
      if (open !== undefined) {
        this.#world.violate(
          'one gate',
          `${open.instance} (${open.openToken}) and ${life.instance} (${life.openToken}) are both open`,
        );
      }
      open = life;
      this.#isOpenRightly(life);
    }
  }

  #isOpenRightly({ controller, instance, openToken, closedToken }: Life): void {
    if (controller.term?.token !== openToken || openToken === undefined) {
      this.#world.violate('no gate without a term', `${instance} is open without a term`);
    }
    if (openToken === closedToken) {
      this.#world.violate('a term never resumes', `${openToken} was closed and is open again`);
    }
  }

  /** A step of gated work begins: as long as the gate is right it never begins under an old token. */
  worked(life: Life, token: bigint): void {
    this.#tally.count('work', 'step');
    if (token < this.#highestWorked) {
      this.#world.violate(
        'work in turn',
        `${life.instance} works under ${token} after work under ${this.#highestWorked}`,
      );
    }
    this.#highestWorked = token;
  }

  asked(backend: Backend, { ask }: Request): void {
    if (ask === 'attempt' || ask === 'beat' || ask === 'takeover') this.moment(ask, backend.place);
    if (ask === 'release' || ask === 'fence') this.moment(ask, backend.place);
  }

  attempted(backend: Backend, isGranted: boolean): void {
    if (isGranted) {
      const life = this.#lives.find(({ instance }) => instance === backend.who.instance);
      if (life !== undefined) life.waitsOn = undefined;
      this.#world.tell(backend.place, () => 'is granted the seat');
      this.moment('granted', backend.place);
    } else if (this.server?.seat.isHeldBy(backend)) {
      this.#world.violate('busy holds nothing', `${backend.place} was told busy and has the seat`);
    }
  }

  taken(backend: Backend, token: bigint, before: LeaseRow, instance: string): void {
    const life = this.#lives.find((other) => other.instance === instance);
    const ground = groundOf(before, life);
    if (life !== undefined) {
      life.waitsOn = undefined;
      this.#owners.set(token, life);
    }
    this.#tally.count('takeover', ground);
    this.#world.tell('server', () => `lets ${instance} take over as ${token}, ground: ${ground}`);
    if (token <= this.#highestTaken) {
      this.#world.violate('tokens grow', `${token} was taken after ${this.#highestTaken}`);
    }
    this.#highestTaken = token;
    this.moment('taken', backend.place);
  }

  marked(token: bigint, by: 'release' | 'confession' | 'testimony'): void {
    this.#tally.count('mark', by);
    this.#world.tell('server', () => `marks ${token} ended by ${by}`);
    const owner = this.#owners.get(token);
    if (owner?.work.runsUnder(token)) {
      this.#world.violate('drained before released', `${token} is marked while its work runs`);
    }
    if (owner?.process.isAlive && owner.openToken === token) {
      this.#world.violate('closed before released', `${token} is marked while its term is open`);
    }
    this.moment('marked', owner?.host.name ?? '');
  }

  unlocked(token: bigint): void {
    const lease = this.server?.database.tables.lease;
    if (lease?.token === token && !lease.isEnded) {
      this.#world.violate('marked before unlocked', `the seat of ${token} is freed unmarked`);
    }
    this.moment('unlocked', this.#owners.get(token)?.host.name ?? '');
  }

  fencedCommit(token: bigint): void {
    this.#tally.count('work', 'fenced commit');
    const current = this.server?.database.tables.fence;
    if (current !== token) {
      this.#world.violate('fenced', `a write under ${token} commits when ${current} is current`);
    }
  }

  /** Everybody has been stopped: whoever lives has told the end of every term. */
  closeBooks(): void {
    for (const { instance, openToken, process } of this.#lives) {
      if (openToken === undefined || !process.isAlive) continue;
      this.#world.violate(
        'one passive per active',
        `${instance} never told the end of ${openToken}`,
      );
    }
  }

  #becameActive(life: Life, term: Term): void {
    const { token } = term;
    this.#world.tell(life.instance, () => `is ACTIVE as ${token}`);
    this.#tally.count('term', 'begun');
    if (!life.isWanted) {
      this.#world.violate('a stop ends', `${life.instance} leads after it was told to stop`);
    }
    if (life.openToken !== undefined) {
      this.#world.violate(
        'one passive per active',
        `${life.openToken} has not ended, ${token} began`,
      );
    }
    if (token <= this.#highestOpened) {
      this.#world.violate('tokens grow', `${token} became active after ${this.#highestOpened}`);
    }
    this.#highestOpened = token;
    life.openToken = token;
    this.moment('active', life.host.name);
  }

  #becamePassive(life: Life, term: Term, reason: string): void {
    this.#world.tell(life.instance, () => `is passive, ${term.token} ended: ${reason}`);
    this.#tally.count('end', reason);
    if (life.openToken !== term.token) {
      this.#world.violate(
        'one passive per active',
        `${term.token} ended, ${life.openToken} was open`,
      );
    }
    life.openToken = undefined;
    if (!term.signal.aborted || term.isActive() || life.controller.isActive()) {
      this.#world.violate('closed, aborted, then told', `${term.token} is told ended and is not`);
    }
    this.moment('passive', life.host.name);
  }
}

/** Why a successor was allowed to start, as the row and its own words say. */
function groundOf(before: LeaseRow, life: Life | undefined): string {
  if (life?.waitsOn === 'doubtful') return 'doubtful';
  if (before.token === 0n) return 'vacant';
  if (before.isEnded) return 'ended';
  if (before.instance === life?.instance) return 'own';
  return life?.waitsOn ?? 'observed';
}
