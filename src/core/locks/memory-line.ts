import type { Grant, Mode, Wanted } from './store.ts';

/** A request with the process that made it, and the token of the lease that it stands under. */
export interface Claim extends Wanted {
  readonly process: number;
  readonly processToken: bigint;
  /** Of a hold, since it was granted. */
  readonly since: Date;
}

export interface Held extends Claim, Grant {}

export interface Stood extends Claim {
  readonly number: bigint;
}

/** One resource: who holds which place, and who waits, first come first. */
export class Line {
  /** While it is in use: how many places there are; none for exclusive and shared use. */
  permits: number | undefined;
  readonly #held = new Map<string, Held>();
  readonly #waits = new Map<string, Stood>();
  readonly #owners = new Map<string, 'holds' | 'waits'>();
  readonly #slots = new Set<number>();
  /** No place below it, but for 0, is free. */
  #lowest = 1;

  get held(): Iterable<Held> {
    return this.#held.values();
  }

  get waits(): Iterable<Stood> {
    return this.#waits.values();
  }

  get isIdle(): boolean {
    return this.#held.size === 0 && this.#waits.size === 0;
  }

  holdOf(request: string): Held | undefined {
    return this.#held.get(request);
  }

  /** An owner holds a resource once, or waits for it once. */
  standingOf(owner: string): 'holds' | 'waits' | undefined {
    return this.#owners.get(owner);
  }

  /** What these owners hold of it. */
  heldBy(owners: readonly string[]): readonly Held[] {
    const isHeld = owners.some((owner) => this.#owners.get(owner) === 'holds');
    return isHeld ? [...this.held].filter(({ owner }) => owners.includes(owner)) : [];
  }

  /** The place that this wait can have now: nobody may hold against it. */
  placeFor(mode: Mode): number | undefined {
    if (mode === 'exclusive') return this.#held.size === 0 ? 0 : undefined;
    if (this.#slots.has(0)) return undefined;
    while (this.#slots.has(this.#lowest)) this.#lowest += 1;
    return mode === 'shared' || this.#lowest <= mode.permits ? this.#lowest : undefined;
  }

  stand(wait: Stood): void {
    this.#waits.set(wait.request, wait);
    this.#owners.set(wait.owner, 'waits');
  }

  grant(hold: Held): void {
    this.#waits.delete(hold.request);
    this.#held.set(hold.request, hold);
    this.#owners.set(hold.owner, 'holds');
    this.#slots.add(hold.slot);
  }

  /** Other words about it: what people are told. */
  describe(hold: Held): void {
    this.#held.set(hold.request, hold);
  }

  /** Out of the line, and out of its place. The hold, where it was one. */
  leave(request: string): Held | undefined {
    const hold = this.#held.get(request);
    const claim = hold ?? this.#waits.get(request);
    if (claim === undefined) return undefined;
    this.#waits.delete(request);
    this.#held.delete(request);
    this.#owners.delete(claim.owner);
    if (hold !== undefined) {
      this.#slots.delete(hold.slot);
      this.#lowest = Math.max(1, Math.min(this.#lowest, hold.slot));
    }
    return hold;
  }
}
