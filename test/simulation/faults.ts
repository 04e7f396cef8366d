import type { NoticeKind } from '../../src/core/store.ts';
import type { Host, Life } from './host.ts';
import type { Moment } from './invariants.ts';
import type { Network, Scope } from './network.ts';
import type { Fault, What } from './schedule.ts';
import type { Server } from './server.ts';
import type { Tally } from './tally.ts';
import type { World } from './world.ts';

export interface Stage {
  readonly world: World;
  readonly network: Network;
  readonly server: Server;
  readonly hosts: readonly Host[];
  readonly tally: Tally;
  /** The longest TTL: what parts are parts of. */
  readonly ttlMs: number;
  leader(): Life | undefined;
}

/** Strikes when it is time, or at the moment that a fault waits for. */
export class Storm {
  readonly #stage: Stage;
  readonly #armed = new Set<Fault>();
  readonly #undo: (() => void)[] = [];
  #isOver = false;

  constructor(stage: Stage, faults: readonly Fault[]) {
    this.#stage = stage;
    for (const fault of faults) {
      stage.world.at((fault.at / 1000) * stage.ttlMs, () => {
        if (fault.on === 'now') this.#strike(fault, undefined);
        else this.#armed.add(fault);
      });
    }
  }

  /** Something happened there: what was waiting for it strikes. */
  moment(moment: Moment, place: string): void {
    for (const fault of this.#armed) {
      if (fault.on !== moment) continue;
      this.#armed.delete(fault);
      this.#stage.world.after(fault.delayMs, () => this.#strike(fault, place));
    }
  }

  /** From here on nothing goes wrong, and what had gone wrong is made good. */
  calm(): void {
    this.#isOver = true;
    this.#armed.clear();
    for (const undo of this.#undo.splice(0)) undo();
  }

  #strike({ who, what }: Fault, place: string | undefined): void {
    if (this.#isOver) return;
    const { hosts, leader, tally } = this.#stage;
    const host =
      typeof who === 'number'
        ? hosts[who % hosts.length]
        : who === 'leader'
          ? leader()?.host
          : hosts.find(({ name }) => name === place);
    if (this.#happens(what, host ?? (hosts[0] as Host))) tally.count('fault', what.is);
  }

  /** False when there was nothing for it to strike. */
  #happens(what: What, host: Host): boolean {
    const { world, network, server } = this.#stage;
    const tell = (text: string): void => world.tell(host.name, () => text);
    const { life, machine } = host;
    switch (what.is) {
      case 'freeze':
        tell(`is frozen for ${this.#ms(what.for)} ms`);
        life.process.freeze(this.#ms(what.for));
        return life.process.isAlive;
      case 'block':
        tell(`has its event loop blocked for ${this.#ms(what.for)} ms`);
        life.process.block(this.#ms(what.for));
        return life.process.isAlive;
      case 'suspend': {
        if (machine.isSuspended) return false;
        tell(`is suspended for ${this.#ms(what.for)} ms`);
        machine.suspend();
        const heal = network.cut(host.name, 'all', 'both');
        this.#for(what.for, () => {
          tell('wakes from its suspend');
          heal();
          host.resume();
        });
        return true;
      }
      case 'kill':
        return this.#kills(host, what.whom, what.for);
      case 'cut': {
        tell(`is cut off (${what.scope}, ${what.direction}) for ${this.#ms(what.for)} ms`);
        const heal = network.cut(host.name, what.scope, what.direction);
        this.#for(what.for, heal);
        return true;
      }
      case 'flap': {
        tell(`is cut off ${what.first} (${what.scope}) for ${this.#ms(what.for)} ms, then back`);
        const heal = network.cut(host.name, what.scope, what.first);
        this.#for(what.for, () => {
          const back = what.first === 'up' ? 'down' : 'up';
          if (!this.#isOver) this.#for(what.next, network.cut(host.name, what.scope, back));
          heal();
        });
        return true;
      }
      case 'reset': {
        const links = network.links(host.name, what.scope);
        tell(`has its connections reset (${what.scope}), telling ${what.tells}`);
        for (const link of links) {
          if (what.tells === 'both') link.server?.closed('reset');
          network.sever(link, what.tells === 'both' ? 'client' : what.tells, 'reset by peer');
        }
        return links.length > 0;
      }
      case 'terminate': {
        const backends = this.#backends(host, what.scope);
        for (const backend of backends) backend.end('terminated');
        return backends.length > 0;
      }
      case 'freeze-backend': {
        const backends = this.#backends(host, what.scope);
        tell(`has its backends (${what.scope}) stopped for ${this.#ms(what.for)} ms`);
        for (const backend of backends) backend.freeze(this.#ms(what.for));
        return backends.length > 0;
      }
      case 'restart':
        return server.restart(this.#ms(what.for));
      case 'crash':
        if (what.isSilent) this.#silenceEverybody();
        return server.crash(this.#ms(what.for));
      case 'shutdown':
        this.#for(what.for, () => server.shutDownNow());
        return server.shutDownSmartly();
      case 'stall':
        world.tell('server', () => `its disk hangs for ${this.#ms(what.for)} ms`);
        server.database.stall(this.#ms(what.for));
        return true;
      case 'uncertain':
        server.becomeUncertain(this.#ms(what.for));
        return true;
      case 'promote':
        if (what.isSilent) this.#silenceEverybody();
        return server.promote(this.#ms(what.lag), this.#ms(what.for));
      case 'restore':
        if (what.isSilent) this.#silenceEverybody();
        return server.restore(this.#ms(what.lag), this.#ms(what.for), what.into);
      case 'step-clock':
        world.tell('server', () => `its clock steps by ${this.#ms(what.by)} ms`);
        server.wall.step(this.#ms(what.by));
        return true;
      case 'stop': {
        const wasRunning = life.process.isAlive && life.controller.state !== 'stopped';
        tell(`is told to stop${what.isForced ? ', by force' : ''}`);
        life.stop(what.isForced);
        this.#for(what.for, () => life.start());
        return wasRunning;
      }
      case 'resign': {
        const wasLeading = life.process.isAlive && life.controller.state === 'active';
        tell(`is told to resign${what.isForced ? ', by force' : ''}`);
        life.resign(what.isForced);
        return wasLeading;
      }
      case 'stubborn':
        tell(`has work that ignores its abort for ${this.#ms(what.for)} ms`);
        life.work.stubbornMs = this.#ms(what.for);
        return life.process.isAlive;
      case 'rumour':
        this.#spread(what.kind, world.now + this.#ms(what.for));
        return true;
    }
  }

  #kills(host: Host, whom: 'process' | 'machine' | 'guard', partsDown: number): boolean {
    const { life } = host;
    const victim = whom === 'guard' ? life.witness?.process : life.process;
    if (victim?.isAlive !== true) return false;
    this.#stage.world.tell(host.name, () => `its ${whom} is killed`);
    if (whom === 'guard') victim.kill();
    else {
      life.kill(whom === 'machine');
      this.#for(partsDown, () => host.restart());
    }
    return true;
  }

  #silenceEverybody(): void {
    const { hosts, network } = this.#stage;
    for (const { name } of hosts) {
      for (const link of network.links(name, 'all')) network.sever(link, 'nobody', '');
    }
  }

  #spread(kind: NoticeKind, until: number): void {
    const { world, server } = this.#stage;
    if (this.#isOver || world.now > until) return;
    server.tell(kind, server.database.tables.lease.token, 'rumour');
    world.after(400, () => this.#spread(kind, until));
  }

  #backends(host: Host, scope: Scope) {
    return [...this.#stage.server.backends].filter(
      ({ place, purpose }) => place === host.name && (scope === 'all' || purpose === scope),
    );
  }

  #ms(parts: number): number {
    return Math.round((parts / 1000) * this.#stage.ttlMs);
  }

  /** Undone after its time, or when the storm is over. */
  #for(parts: number, undo: () => void): void {
    let isDone = false;
    const once = (): void => {
      if (isDone) return;
      isDone = true;
      undo();
    };
    this.#stage.world.after(this.#ms(parts), once);
    this.#undo.push(once);
  }
}
