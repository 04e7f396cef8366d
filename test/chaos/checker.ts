import {
  type Acknowledged,
  type Claimant,
  firstOf,
  lastOf,
  type Span,
  type Tenure,
} from './claim.ts';

/** A gate that opened while one of an earlier term was open, or before it was open for the last time. */
export interface Overlap {
  /** Of all earlier terms the one that worked longest. */
  readonly older: Tenure;
  readonly newer: Tenure;
  readonly at: number;
  readonly ms: number;
}

/** Tokens say who comes after whom: nobody may claim at or after the first claim of a later one. */
export function overlaps(tenures: readonly Tenure[]): Overlap[] {
  const found: Overlap[] = [];
  let older: Tenure | undefined;
  for (const newer of [...tenures].sort((a, b) => (a.token < b.token ? -1 : 1))) {
    const at = firstOf(newer);
    const ms = older === undefined ? -1 : lastOf(older) - at;
    if (older !== undefined && ms >= 0) found.push({ older, newer, at, ms });
    if (older === undefined || lastOf(newer) > lastOf(older)) older = newer;
  }
  return found;
}

/** Tokens that two instances led under, or two processes of one at the same time. */
export const shared = (tenures: readonly Tenure[]): Tenure[] =>
  tenures.filter(({ labels, claimants }) => labels.size > 1 || areBeside([...claimants.values()]));

/** One command may follow another, but not begin before that one's last claim. */
function areBeside(claimants: readonly Claimant[]): boolean {
  let latest = Number.NEGATIVE_INFINITY;
  for (const { from, to } of [...claimants].sort((a, b) => a.from - b.from)) {
    if (from <= latest) return true;
    latest = to;
  }
  return false;
}

/** The shortest time between the last claim of a term and the first one of the next. */
export function closestShave(tenures: readonly Tenure[]): number {
  const ordered = [...tenures].sort((a, b) => (a.token < b.token ? -1 : 1));
  return Math.min(
    ...ordered.slice(1).map((newer, index) => firstOf(newer) - lastOf(ordered[index] as Tenure)),
  );
}

/**
 * When nobody claimed to lead because the leader changed, from the first of these moments on: the
 * time before each term that began since. That a leader is silent for a while is no gap.
 */
export function gaps(tenures: readonly Tenure[], since: number): Span[] {
  return tenures
    .filter((tenure) => firstOf(tenure) > since)
    .map((newer) => {
      const to = firstOf(newer);
      const before = tenures.flatMap(({ spans }) => spans).filter(({ from }) => from < to);
      return { from: Math.min(to, Math.max(since, ...before.map((span) => span.to))), to };
    });
}

export const longest = (spans: readonly Span[]): Span | undefined =>
  spans.reduce<Span | undefined>(
    (best, span) => (best === undefined || lengthOf(span) > lengthOf(best) ? span : best),
    undefined,
  );

/** Until the last gap was over: a longer one may have come before it. */
export const recoveryAfter = (all: readonly Span[], from: number): number | undefined =>
  all.length === 0 ? undefined : Math.max(0, ...all.map(({ to }) => to - from));

/** The longest time in which nobody claimed to lead, whether or not the leader changed. */
export function longestSilence(tenures: readonly Tenure[], since: number, until: number): number {
  let longestMs = 0;
  let heardAt = since;
  const spans = tenures.flatMap((tenure) => tenure.spans).sort((a, b) => a.from - b.from);
  for (const { from, to } of [...spans, { from: until, to: until }]) {
    longestMs = Math.max(longestMs, Math.min(from, until) - heardAt);
    heardAt = Math.max(heardAt, to);
  }
  return longestMs;
}

export const lengthOf = ({ from, to }: Span): number => to - from;

/** One row of the table that items are marked in, in the order of their numbers. */
export interface Marked {
  readonly item: number;
  readonly token: bigint;
}

export interface ItemVerdict {
  readonly marked: number;
  readonly acknowledged: number;
  /** Marked more than once. */
  readonly doubled: number[];
  /** Acknowledged, and not there. */
  readonly lost: Acknowledged[];
  /** The same, where the server itself was allowed to lose them. */
  readonly forgiven: number;
  /** Passed over: nobody has marked them, but somebody a later one. */
  readonly skipped: number;
  /** Marked under a token after an item of a later one. */
  readonly outOfTurn: number[];
}

/**
 * @param mayBeLost A promotion without synchronous replication loses what the replica had not heard of.
 */
export function judgeItems(
  marked: readonly Marked[],
  acknowledged: readonly Acknowledged[],
  mayBeLost: (item: Acknowledged) => boolean = () => false,
): ItemVerdict {
  const ordered = [...marked].sort((a, b) => a.item - b.item);
  const missing = missingFrom(ordered, acknowledged);
  const doubled: number[] = [];
  const outOfTurn: number[] = [];
  let skipped = 0;
  let highest = 0n;
  let before = 0;
  for (const { item, token } of ordered) {
    if (item === before) doubled.push(item);
    skipped += Math.max(0, item - before - 1);
    if (token < highest) outOfTurn.push(item);
    if (token > highest) highest = token;
    before = item;
  }
  const lost = missing.filter((item) => !mayBeLost(item));
  return {
    marked: ordered.length,
    acknowledged: acknowledged.length,
    doubled: [...new Set(doubled)],
    lost,
    forgiven: missing.length - lost.length,
    skipped,
    outOfTurn,
  };
}

/** A promotion may take an item back, so that its number is given out again: the latest one is there. */
function missingFrom(
  marked: readonly Marked[],
  acknowledged: readonly Acknowledged[],
): Acknowledged[] {
  const left = new Map<string, number>();
  for (const row of marked) left.set(nameOf(row), (left.get(nameOf(row)) ?? 0) + 1);
  return [...acknowledged]
    .sort((a, b) => b.at - a.at)
    .filter((item) => {
      const count = left.get(nameOf(item)) ?? 0;
      left.set(nameOf(item), count - 1);
      return count <= 0;
    });
}

const nameOf = ({ item, token }: Marked): string => `${item}/${token}`;
