import type { Mode } from '../../../src/core/locks/store.ts';

/** One line of test/chaos/processes/holder.js and entries.js. */
export interface Line {
  /**
   * `begin`: a hold was had. `claim`: these are held. `done`: an entry whose commit was acknowledged,
   * `read`: a look at the entries, `moved`: one that has seen them change. `refused`: a transaction that
   * the fence has stopped.
   */
  readonly kind: 'begin' | 'claim' | 'done' | 'read' | 'moved' | 'refused';
  /** On the monotonic clock that all processes of this machine share, in ms. */
  readonly at: number;
  readonly token: string;
  readonly label: string;
  readonly pid: number;
  readonly resource?: string;
  readonly mode?: Mode;
  readonly slot?: number;
  /** Of what is held: resource and token. */
  readonly held?: readonly (readonly [resource: string, token: string])[];
  readonly item?: number;
  /** When its transaction was fenced and open. */
  readonly fencedAt?: number;
}

/** One hold, from its first claim to its last. */
export interface Tenure {
  readonly resource: string;
  readonly token: bigint;
  readonly mode: Mode;
  readonly slot: number;
  readonly label: string;
  readonly pid: number;
  readonly from: number;
  to: number;
  /** The last moment of a transaction that was fenced with it, and committed. */
  fencedTo: number;
}

export interface Entered {
  readonly resource: string;
  readonly item: number;
  readonly token: bigint;
  readonly at: number;
}

/** All that was claimed so far, as much as has to be kept of it. */
export class HoldBook {
  readonly entered: Entered[] = [];
  /** Tokens that two have claimed under. */
  readonly shared: Tenure[] = [];
  /** Readers that have seen somebody write. */
  readonly moved: Line[] = [];
  refused = 0;
  reads = 0;
  claims = 0;
  readonly #tenures = new Map<string, Tenure>();

  add(line: Line): void {
    const { kind, at, resource = '', token } = line;
    switch (kind) {
      case 'begin':
        this.#begin(line);
        return;
      case 'claim':
        for (const [held, under] of line.held ?? []) this.#claim(held, under, line);
        return;
      case 'done':
        this.entered.push({ resource, item: line.item ?? 0, token: BigInt(token), at });
        this.#fenced(line);
        return;
      case 'read':
        this.reads += 1;
        this.#fenced(line);
        return;
      case 'moved':
        this.moved.push(line);
        return;
      case 'refused':
        this.refused += 1;
    }
  }

  get tenures(): readonly Tenure[] {
    return [...this.#tenures.values()];
  }

  #begin({ resource = '', token, mode = 'exclusive', slot = 0, label, pid, at }: Line): void {
    const tenure: Tenure = {
      resource,
      token: BigInt(token),
      mode,
      slot,
      label,
      pid,
      from: at,
      to: at,
      fencedTo: Number.NEGATIVE_INFINITY,
    };
    const key = `${resource}/${token}`;
    const before = this.#tenures.get(key);
    if (before?.pid === pid) return;
    if (before !== undefined) this.shared.push(tenure);
    else this.#tenures.set(key, tenure);
  }

  #claim(resource: string, token: string, { at, pid }: Line): void {
    const tenure = this.#tenures.get(`${resource}/${token}`);
    if (tenure === undefined)
      throw new Error(`${token} of ${resource} was claimed, and not begun.`);
    if (tenure.pid === pid) tenure.to = Math.max(tenure.to, at);
    this.claims += 1;
  }

  #fenced({ resource, token, fencedAt }: Line): void {
    const tenure = this.#tenures.get(`${resource}/${token}`);
    if (tenure === undefined || fencedAt === undefined) return;
    tenure.fencedTo = Math.max(tenure.fencedTo, fencedAt);
  }
}
