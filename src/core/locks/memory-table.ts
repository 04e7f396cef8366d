import { type Claim, type Held, Line, type Stood } from './memory-line.ts';
import {
  type Answer,
  askersOf,
  type Details,
  type Grant,
  type Holding,
  type HoldNotice,
  type Queues,
  type Standing,
  type Wanted,
} from './store.ts';

export interface TableParts {
  /** For people, and for tokens; never earlier than it was. */
  readonly now: () => Date;
  /** Whether this process's lease has this token and has not ended. */
  readonly isAlive: (process: number, processToken: bigint) => boolean;
  readonly labelOf: (process: number) => string | undefined;
  /** Whether it has missed two beats, and whether it has been silent for its TTL. */
  readonly silenceOf: (process: number) => {
    readonly isOverdue: boolean;
    readonly isSilent: boolean;
  };
  /** Has to come after the answer that is under way. */
  readonly tell: (process: number, notice: HoldNotice) => void;
}

type Forced = (
  resource: string,
  requests: readonly string[],
  by: string,
  reason: string,
) => readonly string[];

/** Who asks: a process, and the token of its lease. */
export interface Asker {
  readonly process: number;
  readonly under: bigint;
}

/**
 * Holds and lines in the memory of a process, by the rules of migrations/0003_holds.sql and, for who holds
 * already, 0005_silence.sql. Each call is atomic: it returns before anybody else can ask. What nobody holds
 * or waits for is forgotten at once.
 */
export class HoldTable {
  readonly #parts: TableParts;
  readonly #lines = new Map<string, Line>();
  #lastToken = 0n;
  #lastNumber = 0n;
  /** False: what was held is not known, and nothing is granted. */
  #isCertain = true;

  constructor(parts: TableParts) {
    this.#parts = parts;
  }

  /** How many resources are in use. */
  get size(): number {
    return this.#lines.size;
  }

  take(asker: Asker, wanted: Wanted): bigint | undefined {
    const mayGrant = this.#isCertain && this.#parts.isAlive(asker.process, asker.under);
    if (!mayGrant || this.#lines.has(wanted.resource)) return undefined;
    const line = this.#lineOf(wanted.resource);
    return this.#grant(line, this.#claim(asker, wanted), 0).token;
  }

  ask(asker: Asker, wanted: Wanted, mayQueue: boolean): Answer {
    const { resource, owner, mode } = wanted;
    const line = this.#lineOf(resource);
    const own = line.heldBy(askersOf(wanted));
    if (own.length > 0) return { is: 'holds', holders: own.map((hold) => this.#holding(hold)) };
    if (line.standingOf(owner) === 'waits') return { is: 'waits', holders: this.#someOf(line) };
    const permits = typeof mode === 'object' ? mode.permits : undefined;
    if (!line.isIdle && line.permits !== permits) {
      return { is: 'mismatch', usedAs: usedAs(line), holders: this.#someOf(line) };
    }
    line.permits = permits;
    // Else its call was under way while its lease ended: it stands nowhere.
    const isAlive = this.#parts.isAlive(asker.process, asker.under);
    if (isAlive) {
      this.#lastNumber += 1n;
      line.stand({ ...this.#claim(asker, wanted), number: this.#lastNumber });
      this.#serve(line, wanted.request);
    }
    const hold = line.holdOf(wanted.request);
    if (hold !== undefined) return { is: 'granted', token: hold.token, slot: hold.slot };
    const holders = this.#someOf(line);
    if (!mayQueue || !isAlive) this.leave(resource, wanted.request);
    if (!mayQueue && !(this.#isCertain && isAlive)) return { is: 'doubtful' };
    const isOverdue = holders.some(({ process }) => this.#parts.silenceOf(process).isOverdue);
    return { is: mayQueue ? 'queued' : 'busy', holders, isOverdue };
  }

  leave(resource: string, request: string): boolean {
    const line = this.#lines.get(resource);
    if (line === undefined) return false;
    const wasHeld = line.leave(request) !== undefined;
    this.#serve(line);
    this.#tidy(resource, line);
    return wasHeld;
  }

  describe(resource: string, request: string, details: Details): boolean {
    const line = this.#lines.get(resource);
    const hold = line?.holdOf(request);
    if (hold === undefined) return false;
    line?.describe({ ...hold, details: asTold(details) });
    return true;
  }

  queues(resources?: readonly string[]): Queues {
    const lines = [...new Set(resources ?? this.#lines.keys())]
      .sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
      .flatMap((resource) => this.#lines.get(resource) ?? []);
    return {
      holdings: lines.flatMap((line) => this.#holdersOf(line)),
      waitings: lines.flatMap((line) =>
        [...line.waits].map((wait) => ({ ...this.#standing(wait), number: wait.number })),
      ),
    };
  }

  askBack: Forced = (resource, requests, by, reason) => {
    const asked = requests.flatMap((request) => this.#lines.get(resource)?.holdOf(request) ?? []);
    for (const { process, request } of asked) {
      this.#parts.tell(process, { is: 'asked', request, by, reason });
    }
    return asked.map(({ request }) => request);
  };

  takeBack: Forced = (resource, requests, by, reason) => {
    const line = this.#lines.get(resource);
    if (line === undefined) return [];
    const taken = requests.flatMap((request) => {
      const isHeld = line.holdOf(request) !== undefined;
      return isHeld ? (line.leave(request) ?? []) : [];
    });
    for (const { process, request } of taken) {
      this.#parts.tell(process, { is: 'taken', request, by, reason });
    }
    this.#serve(line);
    this.#tidy(resource, line);
    return taken.map(({ request }) => request);
  };

  /** Everything of a process whose lease has moved on from this token, or has ended. */
  freeAll(process: number, processToken: bigint): void {
    for (const [resource, line] of this.#lines) {
      const theirs = [...line.held, ...line.waits].filter(
        (claim) => claim.process === process && claim.processToken <= processToken,
      );
      if (theirs.length === 0) continue;
      for (const { request } of theirs) line.leave(request);
      this.#serve(line);
      this.#tidy(resource, line);
    }
  }

  /** As a server that has crashed: nothing is known, and nothing granted until `trust()`. */
  forget(): void {
    this.#lines.clear();
    this.#isCertain = false;
  }

  /** Whoever may have held what was forgotten has stopped: who waits is served. */
  trust(): void {
    this.#isCertain = true;
    for (const line of this.#lines.values()) this.#serve(line);
  }

  /** The processes that hold these resources, or wait for them. */
  processesAt(resources: readonly string[]): ReadonlySet<number> {
    const lines = resources.flatMap((resource) => this.#lines.get(resource) ?? []);
    return new Set(
      lines.flatMap((line) => [...line.held, ...line.waits].map(({ process }) => process)),
    );
  }

  /** First come, first served: readers behind a writer wait, so neither starves. */
  #serve(line: Line, asking?: string): void {
    if (!this.#isCertain) return;
    for (const wait of line.waits) {
      const slot = line.placeFor(wait.mode);
      if (slot === undefined) return;
      const { token } = this.#grant(line, { ...wait, since: this.#parts.now() }, slot);
      if (wait.request === asking) continue;
      this.#parts.tell(wait.process, { is: 'granted', request: wait.request, token, slot });
    }
  }

  #grant(line: Line, claim: Claim, slot: number): Grant {
    const token = this.nextToken();
    line.grant({ ...claim, token, slot });
    return { token, slot };
  }

  /** Above every one before, and by the clock: so that those of the next process are greater, too. */
  nextToken(): bigint {
    const byClock = BigInt(this.#parts.now().getTime()) * 1_000n;
    this.#lastToken = byClock > this.#lastToken ? byClock : this.#lastToken + 1n;
    return this.#lastToken;
  }

  #claim({ process, under }: Asker, wanted: Wanted): Claim {
    const details = asTold(wanted.details);
    return { ...wanted, details, process, processToken: under, since: this.#parts.now() };
  }

  #lineOf(resource: string): Line {
    const line = this.#lines.get(resource) ?? new Line();
    this.#lines.set(resource, line);
    return line;
  }

  #tidy(resource: string, line: Line): void {
    if (line.isIdle) this.#lines.delete(resource);
  }

  /** Whoever waits behind ten thousand readers is told of some of them. */
  #someOf(line: Line): readonly Holding[] {
    return this.#holdersOf(line, 100);
  }

  #holdersOf(line: Line, most = Number.POSITIVE_INFINITY): readonly Holding[] {
    const holders: Holding[] = [];
    for (const hold of line.held) {
      if (holders.length >= most) break;
      holders.push(this.#holding(hold));
    }
    return holders;
  }

  #holding(hold: Held): Holding {
    const { token, slot } = hold;
    const { isSilent } = this.#parts.silenceOf(hold.process);
    return { ...this.#standing(hold), token, slot, isSilent };
  }

  #standing(claim: Held | Stood): Standing {
    const { resource, mode, request, owner, details, process, processToken, since } = claim;
    return {
      resource,
      mode,
      request,
      owner,
      since,
      forMs: this.#parts.now().getTime() - since.getTime(),
      details,
      process,
      processToken,
      label: this.#parts.labelOf(process),
    };
  }
}

const usedAs = ({ permits }: Line): string =>
  permits === undefined ? 'an exclusive or shared lock' : `${permits} permits`;

/** As it was when it was asked for, whatever becomes of the object; without what was left out. */
const asTold = (details: Details): Details => JSON.parse(JSON.stringify(details));
