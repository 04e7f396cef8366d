import { type ItemVerdict, judgeItems, type Marked } from '../checker.ts';
import type { Entered, Tenure } from './book.ts';

/** A hold that was claimed, or fenced a transaction, when a later one was that cannot be beside it. */
export interface Clash {
  /** Of all earlier holds in its way the one that worked longest. */
  readonly older: Tenure;
  readonly newer: Tenure;
  readonly at: number;
  readonly ms: number;
  /** What of the older one reached that far. */
  readonly by: 'claim' | 'fenced transaction';
}

/** Where a hold stands: the readers of a resource together, each place of its permits by itself. */
type Lane = string;

/** Tokens say who comes after whom: who is in the way of a later hold must not claim at or after its first claim. */
export function clashes(tenures: readonly Tenure[]): Clash[] {
  const found: Clash[] = [];
  for (const group of groupedBy(tenures, ({ resource }) => resource).values()) {
    const longest = new Map<Lane, Tenure>();
    for (const newer of group.sort((one, other) => (one.token < other.token ? -1 : 1))) {
      const lane = laneOf(newer);
      for (const [other, older] of longest) {
        if (!areInTheWay(lane, other)) continue;
        const ms = endOf(older) - newer.from;
        const by = endOf(older) === older.fencedTo ? 'fenced transaction' : 'claim';
        if (ms >= 0) found.push({ older, newer, at: newer.from, ms, by });
      }
      const before = longest.get(lane);
      if (before === undefined || endOf(newer) > endOf(before)) longest.set(lane, newer);
    }
  }
  return found;
}

/** Holds at places that there are not. */
export const misplaced = (tenures: readonly Tenure[]): Tenure[] =>
  tenures.filter(({ mode, slot }) => {
    if (mode === 'exclusive') return slot !== 0;
    return slot < 1 || (typeof mode === 'object' && slot > mode.permits);
  });

const laneOf = ({ mode, slot }: Tenure): Lane =>
  typeof mode === 'object' ? `place ${slot}` : mode;

function areInTheWay(one: Lane, other: Lane): boolean {
  if (one === 'exclusive' || other === 'exclusive') return true;
  if (one === 'shared' || other === 'shared') return one !== other;
  return one === other;
}

/** What is taken by force is taken whatever its holder believes: of that the fence alone is asked. */
const endOf = ({ resource, to, fencedTo }: Tenure): number =>
  resource === 'forced' ? fencedTo : Math.max(to, fencedTo);

/** Of each resource: nothing entered twice, lost, passed over, or under an old token. */
export function judgeEntries(
  entries: readonly (Marked & { readonly resource: string })[],
  entered: readonly Entered[],
  mayBeLost: (entry: Entered) => boolean,
): ReadonlyMap<string, ItemVerdict> {
  const acknowledged = groupedBy(entered, ({ resource }) => resource);
  const there = groupedBy(entries, ({ resource }) => resource);
  const resources = new Set([...acknowledged.keys(), ...there.keys()]);
  return new Map(
    [...resources].map((resource) => {
      const mine = acknowledged.get(resource) ?? [];
      const isForgiven = (item: { readonly at: number }) => mayBeLost(item as Entered);
      return [resource, judgeItems(there.get(resource) ?? [], mine, isForgiven)];
    }),
  );
}

function groupedBy<Item>(items: readonly Item[], keyOf: (item: Item) => string) {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}
