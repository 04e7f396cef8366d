import { expect, test } from 'vitest';
import { HoldBook, type Line } from './book.ts';
import { clashes, judgeEntries, misplaced } from './checker.ts';

const x = { resource: 'page', mode: 'exclusive', slot: 0 } as const;
const shared = { resource: 'page', mode: 'shared' } as const;
const permit = { resource: 'gpu', mode: { permits: 2 } } as const;

test('holds one after the other do not clash, nor readers, nor permits at their places', () => {
  const book = held(
    [1, x, 0, 50],
    [2, { ...shared, slot: 1 }, 51, 90],
    [3, { ...shared, slot: 2 }, 52, 80],
    [4, x, 91, 99],
    [5, { ...permit, slot: 1 }, 0, 50],
    [6, { ...permit, slot: 2 }, 10, 40],
  );
  expect(clashes(book.tenures)).toEqual([]);
  expect(misplaced(book.tenures)).toEqual([]);
});

test.each([
  ['two writers', [1, x, 0, 60], [2, x, 60, 90]],
  ['a writer beside a reader', [1, { ...shared, slot: 1 }, 0, 60], [2, x, 60, 90]],
  ['a reader beside a writer', [1, x, 0, 60], [2, { ...shared, slot: 1 }, 60, 90]],
  ['two at one place', [1, { ...permit, slot: 1 }, 0, 60], [2, { ...permit, slot: 1 }, 60, 90]],
] as const)('%s clash, even for a moment', (_, older, newer) => {
  expect(clashes(held(older, newer).tenures)).toMatchObject([{ at: 60, ms: 0, by: 'claim' }]);
});

test('a late claim long after the hold is a clash with every one since', () => {
  const book = held([1, x, 0, 50], [2, x, 100, 200], [3, x, 210, 300], [1, x, 250, 250]);
  expect(clashes(book.tenures).map(({ newer, ms }) => [newer.token, ms])).toEqual([
    [2n, 150],
    [3n, 40],
  ]);
});

test('a transaction that was fenced, open, and committed within a later hold is a clash', () => {
  const book = held([1, x, 0, 50], [2, x, 100, 200]);
  const fenced = { token: '1', label: 'a', pid: 1, resource: 'page', item: 1, fencedAt: 120 };
  book.add({ kind: 'done', at: 130, ...fenced });
  expect(clashes(book.tenures)).toMatchObject([{ ms: 20, by: 'fenced transaction' }]);
});

test('what was taken by force may be claimed for a while, but not be fenced with', () => {
  const forced = { ...x, resource: 'forced' };
  const book = held([1, forced, 0, 150], [2, forced, 100, 200]);
  expect(clashes(book.tenures)).toEqual([]);
  const fenced = { token: '1', label: 'a', pid: 1, resource: 'forced', item: 1, fencedAt: 120 };
  book.add({ kind: 'done', at: 130, ...fenced });
  expect(clashes(book.tenures)).toHaveLength(1);
});

test('a place that is none, and a token that two have held under, are found', () => {
  const book = held([1, { ...permit, slot: 3 }, 0, 10], [2, x, 0, 10], [2, x, 20, 30, 2]);
  expect(misplaced(book.tenures)).toMatchObject([{ token: 1n }]);
  expect(book.shared).toMatchObject([{ token: 2n, pid: 2 }]);
});

test('entries are judged of each resource by itself', () => {
  const done = (resource: string, item: number, token: bigint) => ({
    resource,
    item,
    token,
    at: 0,
  });
  const there = [done('a', 1, 1n), done('a', 2, 3n), done('a', 3, 2n), done('b', 1, 9n)];
  const verdicts = judgeEntries(there, [...there, done('b', 2, 9n)], () => false);
  expect(verdicts.get('a')).toMatchObject({ outOfTurn: [3], doubled: [], lost: [] });
  expect(verdicts.get('b')).toMatchObject({ outOfTurn: [], lost: [{ item: 2 }] });
});

type Held = readonly [
  token: number,
  what: Pick<Line, 'resource' | 'mode' | 'slot'>,
  from: number,
  to: number,
  pid?: number,
];

/** Each as its first claim and its last. */
function held(...all: readonly Held[]): HoldBook {
  const book = new HoldBook();
  for (const [number, what, from, to, pid = 1] of all) {
    const token = `${number}`;
    const line = { token, label: 'a', pid };
    book.add({ kind: 'begin', at: from, ...line, ...what });
    book.add({ kind: 'claim', at: to, ...line, held: [[`${what.resource}`, token]] });
  }
  return book;
}
