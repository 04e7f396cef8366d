/** One line of test/chaos/processes/claims.js. */
export interface Claim {
  /**
   * `claim`: the gate is open. `done`: an item whose commit was acknowledged. `refused`: one that the
   * fence has stopped.
   */
  readonly kind: 'claim' | 'done' | 'refused';
  /** On the monotonic clock that all processes of this machine share, in ms. */
  readonly at: number;
  readonly token: string;
  readonly label: string;
  readonly pid: number;
  readonly item?: number;
}

/** Claims further apart than this are not taken for one stretch of leadership. */
const breakMs = 60;

export interface Span {
  readonly from: number;
  to: number;
}

/** One process, from its first claim under a token to its last. */
export interface Claimant extends Span {
  readonly label: string;
  readonly pid: number;
}

/** All that was claimed under one token. */
export interface Tenure {
  readonly token: bigint;
  /** One, unless something is very wrong. */
  readonly labels: Set<string>;
  /** By label and pid. Several only where one command followed another. */
  readonly claimants: Map<string, Claimant>;
  /** Of whoever claimed last. */
  pid: number;
  claims: number;
  /** In order. */
  readonly spans: Span[];
}

export interface Acknowledged {
  readonly item: number;
  readonly token: bigint;
  readonly at: number;
}

/** What all processes have claimed so far, as much as has to be kept of it. */
export class Book {
  readonly acknowledged: Acknowledged[] = [];
  refused = 0;
  readonly #tenures = new Map<string, Tenure>();

  add({ kind, at, token, label, pid, item }: Claim): void {
    if (kind === 'done') {
      this.acknowledged.push({ item: item ?? 0, token: BigInt(token), at });
      return;
    }
    if (kind === 'refused') {
      this.refused += 1;
      return;
    }
    let tenure = this.#tenures.get(token);
    if (tenure === undefined) {
      tenure = {
        token: BigInt(token),
        labels: new Set(),
        claimants: new Map(),
        pid,
        claims: 0,
        spans: [],
      };
      this.#tenures.set(token, tenure);
    }
    tenure.labels.add(label);
    tenure.pid = pid;
    tenure.claims += 1;
    const name = `${label}/${pid}`;
    const claimant = tenure.claimants.get(name);
    if (claimant === undefined) tenure.claimants.set(name, { label, pid, from: at, to: at });
    else claimant.to = Math.max(claimant.to, at);
    extend(tenure.spans, at);
  }

  /** In the order of their tokens. */
  tenures(): Tenure[] {
    return [...this.#tenures.values()].sort((a, b) => (a.token < b.token ? -1 : 1));
  }

  /** The one with the highest token. */
  latest(): Tenure | undefined {
    let latest: Tenure | undefined;
    for (const tenure of this.#tenures.values()) {
      if (latest === undefined || tenure.token > latest.token) latest = tenure;
    }
    return latest;
  }
}

/** Several processes may claim under one token, and write in another order than they looked at the clock. */
function extend(spans: Span[], at: number): void {
  const last = spans.at(-1);
  if (last !== undefined && at >= last.from && at - last.to <= breakMs) {
    last.to = Math.max(last.to, at);
    return;
  }
  spans.push({ from: at, to: at });
  spans.sort((a, b) => a.from - b.from);
}

export const firstOf = ({ spans }: Tenure): number => spans[0]?.from ?? Number.POSITIVE_INFINITY;

export const lastOf = ({ spans }: Tenure): number => Math.max(...spans.map(({ to }) => to));
