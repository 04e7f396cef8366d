import { expect, test } from 'vitest';
import {
  closestShave,
  gaps,
  judgeItems,
  longest,
  longestSilence,
  overlaps,
  recoveryAfter,
  shared,
} from './checker.ts';
import { Book, type Tenure } from './claim.ts';

test('claims of one term after another do not overlap', () => {
  const tenures = claimed([1, 'a', 0, 50], [2, 'b', 51, 90], [3, 'a', 91, 99]);
  expect(overlaps(tenures)).toEqual([]);
  expect(closestShave(tenures)).toBe(1);
});

test('a claim at the moment of the first one of a later term is an overlap', () => {
  expect(overlaps(claimed([1, 'a', 0, 50], [2, 'b', 50, 90]))).toMatchObject([{ at: 50, ms: 0 }]);
});

test('a term that works on into a later one is found, and for how long', () => {
  const found = overlaps(claimed([1, 'a', 0, 120], [2, 'b', 50, 60], [3, 'c', 70, 80]));
  expect(found.map(({ newer, ms }) => [newer.token, ms])).toEqual([
    [2n, 70],
    [3n, 50],
  ]);
});

test('one late claim long after its term is an overlap, however short', () => {
  const tenures = claimed([1, 'a', 0, 50], [2, 'b', 100, 900], [1, 'a', 500, 500]);
  expect(overlaps(tenures)).toMatchObject([{ at: 100, ms: 400 }]);
});

test('two instances under one token are found', () => {
  expect(shared(claimed([1, 'a', 0, 50], [2, 'b', 60, 90]))).toEqual([]);
  expect(shared(claimed([1, 'a', 0, 50], [1, 'b', 60, 90]))).toMatchObject([{ token: 1n }]);
});

test('two commands of one instance may follow one another under a token, and not run at once', () => {
  const [first, second, early] = [
    [1, 'a', 0, 50, 11],
    [1, 'a', 51, 90, 12],
    [1, 'a', 50, 90, 12],
  ] as const;
  expect(shared(claimed(first, second))).toEqual([]);
  expect(shared(claimed(second, first))).toEqual([]);
  expect(shared(claimed(first, early))).toMatchObject([{ token: 1n }]);
  expect(shared(claimed([1, 'a', 0, 90, 11], [1, 'a', 20, 30, 12]))).toHaveLength(1);
});

test('a recovery is over with the last gap, also when a longer one came before it', () => {
  const all = [
    { from: 100, to: 3100 },
    { from: 3200, to: 5900 },
  ];
  expect(recoveryAfter(all, 3050)).toBe(2850);
  expect(recoveryAfter([...all].reverse(), 3050)).toBe(2850);
  expect(recoveryAfter(all, 6000)).toBe(0);
  expect(recoveryAfter([], 3050)).toBeUndefined();
});

test('a silence is found within a term as well, and up to the end of the round', () => {
  const tenures = claimed([1, 'a', 0, 100], [1, 'a', 400, 500], [2, 'b', 510, 600]);
  expect(longestSilence(tenures, 50, 600)).toBe(300);
  expect(longestSilence(tenures, 350, 600)).toBe(50);
  expect(longestSilence(tenures, 450, 1000)).toBe(400);
  expect(longestSilence([], 450, 1000)).toBe(550);
});

test('a gap lies before a term that began since, and nowhere else', () => {
  const tenures = claimed(
    [1, 'a', 0, 50],
    [1, 'a', 900, 950],
    [2, 'b', 1000, 1350],
    [3, 'c', 1351, 1400],
  );
  expect(gaps(tenures, 20)).toEqual([
    { from: 950, to: 1000 },
    { from: 1350, to: 1351 },
  ]);
  expect(gaps(tenures, 980)[0]).toEqual({ from: 980, to: 1000 });
  expect(longest(gaps(tenures, 20))).toEqual({ from: 950, to: 1000 });
  expect(gaps(tenures, 1352)).toEqual([]);
});

test('terms that overlap leave no gap', () => {
  expect(gaps(claimed([1, 'a', 0, 120], [2, 'b', 50, 60]), 10)).toEqual([{ from: 50, to: 50 }]);
});

test('items done once and in turn are in order', () => {
  const marked = rows([1, 1], [2, 1], [3, 7]);
  const verdict = judgeItems(marked, acknowledged([1, 1], [3, 7]));
  expect(verdict).toMatchObject({ doubled: [], lost: [], skipped: 0, outOfTurn: [] });
});

test('an item that was done twice is found', () => {
  const verdict = judgeItems(rows([1, 1], [2, 1], [2, 2], [2, 3], [3, 3]), []);
  expect(verdict).toMatchObject({ doubled: [2], lost: [], skipped: 0 });
});

test('an item that was acknowledged and is not there is lost, also when another term did its number', () => {
  const verdict = judgeItems(rows([1, 1], [2, 9]), acknowledged([1, 1], [2, 1]));
  expect(verdict).toMatchObject({ lost: [{ item: 2, token: 1n }], forgiven: 0 });
});

test('an item that was acknowledged twice and is there once is lost once: the first time', () => {
  const verdict = judgeItems(rows([1, 1], [2, 1]), acknowledged([1, 1], [2, 1], [2, 1]));
  expect(verdict).toMatchObject({ lost: [{ item: 2, at: 2 }] });
});

test('what the server was allowed to lose is counted apart', () => {
  const mayBeLost = ({ at }: { at: number }) => at > 1;
  const verdict = judgeItems(rows([1, 1]), acknowledged([1, 1], [2, 1]), mayBeLost);
  expect(verdict).toMatchObject({ lost: [], forgiven: 1 });
});

test('an item that was passed over, and one under an old token, are found', () => {
  const verdict = judgeItems(rows([1, 1], [2, 5], [4, 1]), []);
  expect(verdict).toMatchObject({ skipped: 1, outOfTurn: [4] });
});

type Stretch = readonly [token: number, label: string, from: number, to: number, pid?: number];

function claimed(...stretches: readonly Stretch[]): Tenure[] {
  const book = new Book();
  for (const [token, label, from, to, pid = 1] of stretches) {
    for (let at = from; at <= to; at += 1) {
      book.add({ kind: 'claim', at, token: String(token), label, pid });
    }
  }
  return book.tenures();
}

type Row = readonly [item: number, token: number];

const rows = (...all: readonly Row[]) =>
  all.map(([item, token]) => ({ item, token: BigInt(token) }));

const acknowledged = (...all: readonly Row[]) =>
  rows(...all).map((row, at) => ({ ...row, at: at + 1 }));
