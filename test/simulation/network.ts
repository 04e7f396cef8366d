import type { Luck } from './luck.ts';
import type { World } from './world.ts';

export type Scope = 'seat' | 'control' | 'work' | 'all';
export type Direction = 'both' | 'up' | 'down';

/** How long messages travel: mostly briefly, now and then very long. */
export interface Weather {
  readonly latencyMs: number;
  readonly spikeChance: number;
  readonly spikeMs: number;
}

/** What stands at an end of a connection. `closed` is said at most once. */
export interface End<Message> {
  hear(message: Message): void;
  closed(reason: string): void;
}

/** As src/postgres/session.ts sets them: five seconds of silence, then ten probes. */
const clientKeepaliveMs = 15_000;

interface Cut {
  readonly place: string;
  readonly scope: Scope;
  readonly direction: Direction;
}

/** One way of one connection: messages arrive in order; while it is cut they wait, as TCP does. */
class Lane {
  readonly #world: World;
  readonly #travelMs: () => number;
  readonly #isCut: () => boolean;
  readonly #held: (() => void)[] = [];
  readonly #travelling = new Map<() => void, () => void>();
  #lastAt = 0;
  /** Nothing more goes this way, and nobody is told. */
  isSevered = false;

  constructor(world: World, travelMs: () => number, isCut: () => boolean) {
    this.#world = world;
    this.#travelMs = travelMs;
    this.#isCut = isCut;
  }

  send(arrive: () => void): void {
    if (this.isSevered) return;
    if (this.#isCut()) this.#held.push(arrive);
    else this.#travel(arrive);
  }

  heal(): void {
    if (this.isSevered || this.#isCut()) return;
    for (const arrive of this.#held.splice(0)) this.#travel(arrive);
  }

  /** What is on its way for long arrives soon. */
  hasten(): void {
    this.#lastAt = this.#world.now;
    for (const [arrive, stop] of [...this.#travelling]) {
      stop();
      this.#travel(arrive);
    }
  }

  #travel(arrive: () => void): void {
    this.#lastAt = Math.max(this.#lastAt, this.#world.now + this.#travelMs());
    const stop = this.#world.at(this.#lastAt, () => {
      this.#travelling.delete(arrive);
      if (!this.isSevered) arrive();
    });
    this.#travelling.set(arrive, stop);
  }
}

/** A connection between a process and the server. */
export class Link<Request, Answer> {
  readonly place: string;
  readonly scope: Scope;
  readonly keepaliveMs: number;
  readonly #up: Lane;
  readonly #down: Lane;
  client: End<Answer> | undefined;
  server: End<Request> | undefined;

  constructor(place: string, scope: Scope, keepaliveMs: number, up: Lane, down: Lane) {
    this.place = place;
    this.scope = scope;
    this.keepaliveMs = keepaliveMs;
    this.#up = up;
    this.#down = down;
  }

  ask(request: Request): void {
    this.#up.send(() => this.server?.hear(request));
  }

  answer(message: Answer): void {
    this.#down.send(() => this.client?.hear(message));
  }

  /** An end goes away: the other one hears it, when it is its turn and the way is free. */
  closeFrom(side: 'client' | 'server', reason: string): void {
    const [mine, other] = side === 'client' ? [this.#down, this.#up] : [this.#up, this.#down];
    mine.isSevered = true;
    other.send(() => {
      other.isSevered = true;
      if (side === 'client') this.server?.closed(reason);
      else this.client?.closed(reason);
    });
  }

  /** Nothing goes through any more, either way. */
  sever(): void {
    this.#up.isSevered = true;
    this.#down.isSevered = true;
  }

  /** Both ends know, or nobody can tell them. */
  get isSevered(): boolean {
    return this.#up.isSevered && this.#down.isSevered;
  }

  heal(): void {
    this.#up.heal();
    this.#down.heal();
  }

  hasten(): void {
    this.#up.hasten();
    this.#down.hasten();
  }
}

// biome-ignore lint/suspicious/noExplicitAny: what travels is the business of the ends
type AnyLink = Link<any, any>;

export class Network {
  readonly #world: World;
  readonly #cuts = new Set<Cut>();
  readonly #links = new Set<AnyLink>();
  readonly #silent = new Set<AnyLink>();
  #severed = 0;
  /** From then on nobody takes a connection for alive that is none. */
  silentUntil = 0;
  #weather: Weather;

  constructor(world: World, weather: Weather) {
    this.#world = world;
    this.#weather = weather;
  }

  connect<Request, Answer>(
    place: string,
    scope: Scope,
    keepaliveMs: number,
    luck: Luck,
  ): Link<Request, Answer> {
    const lane = (way: 'up' | 'down'): Lane =>
      new Lane(
        this.#world,
        () => this.#travelMs(luck),
        () => this.#isCut(place, scope, way),
      );
    const link = new Link<Request, Answer>(place, scope, keepaliveMs, lane('up'), lane('down'));
    this.#links.add(link);
    // Made while the way is cut: the silence counts from here.
    if (this.#cuts.size > 0) this.#watch(link);
    return link;
  }

  /** Something in between ends it and tells one side, or none: the other one hears silence. */
  sever(link: AnyLink, tells: 'client' | 'server' | 'nobody', reason: string): void {
    link.sever();
    this.#links.delete(link);
    this.#severed += 1;
    // Every other one for good: whatever forwards packets has forgotten it, and answers to none.
    if (this.#severed % 2 === 0) this.#silent.add(link);
    this.silentUntil = this.#world.now + clientKeepaliveMs + 50;
    this.#world.after(clientKeepaliveMs, () => link.client?.closed('keepalives were not answered'));
    if (tells === 'client') link.client?.closed(reason);
    if (tells === 'server') link.server?.closed(reason);
    this.#world.after(link.keepaliveMs, () => link.server?.closed('keepalives were not answered'));
  }

  links(place: string, scope: Scope): AnyLink[] {
    for (const link of this.#links) if (link.isSevered) this.#links.delete(link);
    return [...this.#links].filter(
      (link) => link.place === place && (scope === 'all' || link.scope === scope),
    );
  }

  /** Until the returned function is called. */
  cut(place: string, scope: Scope, direction: Direction): () => void {
    const cut: Cut = { place, scope, direction };
    this.#cuts.add(cut);
    for (const link of this.links(place, scope)) this.#watch(link);
    return () => {
      if (!this.#cuts.delete(cut)) return;
      for (const link of this.links(place, scope)) link.heal();
    };
  }

  becomeCalm(): void {
    this.#weather = { latencyMs: 1, spikeChance: 0, spikeMs: 0 };
    this.#cuts.clear();
    for (const link of this.#links) {
      link.hasten();
      link.heal();
    }
    // Now a packet of either side is answered: there is no such connection.
    for (const link of this.#silent) {
      link.client?.closed('connection reset by peer');
      link.server?.closed('connection reset by peer');
    }
    this.#silent.clear();
  }

  /** The server's keepalives: a way that stays cut either way for so long ends the session there. */
  #watch(link: AnyLink): void {
    const cuts = this.#cutsOf(link);
    if (cuts.length === 0) return;
    this.#world.after(link.keepaliveMs, () => {
      if (link.isSevered || !cuts.some((cut) => this.#cuts.has(cut))) return;
      link.server?.closed('keepalives were not answered');
    });
  }

  #cutsOf({ place, scope }: AnyLink): Cut[] {
    return [...this.#cuts].filter(
      (cut) => cut.place === place && (cut.scope === 'all' || cut.scope === scope),
    );
  }

  #isCut(place: string, scope: Scope, way: 'up' | 'down'): boolean {
    for (const cut of this.#cuts) {
      if (cut.place !== place || (cut.scope !== 'all' && cut.scope !== scope)) continue;
      if (cut.direction === 'both' || cut.direction === way) return true;
    }
    return false;
  }

  #travelMs(luck: Luck): number {
    const { latencyMs, spikeChance, spikeMs } = this.#weather;
    const isSpike = spikeChance > 0 && luck.chance(spikeChance);
    return latencyMs * luck.between(0.2, 2) + (isSpike ? luck.next() * spikeMs : 0);
  }
}
