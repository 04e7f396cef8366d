import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chainOf, circlesOf, inWords } from '../../src/core/locks/chains.ts';
import {
  askersOf,
  type Holding,
  type Mode,
  type Queues,
  type Standing,
  type Waiting,
} from '../../src/core/locks/store.ts';

/** `a/1/2` asks within the routine of `a/1`, and that one within the routine of `a`. */
const routinesOf = (owner: string): readonly string[] => {
  const names = owner.split('/');
  return names.slice(1).map((_, index) => names.slice(0, names.length - 1 - index).join('/'));
};

const standing = (resource: string, owner: string, mode: Mode): Standing => ({
  resource,
  owner,
  mode,
  request: `${owner}@${resource}`,
  since: new Date(0),
  forMs: 0,
  details: { within: routinesOf(owner) },
  process: 1,
  processToken: 1n,
  label: undefined,
});

const holds = (resource: string, owner: string, mode: Mode = 'exclusive'): Holding => ({
  ...standing(resource, owner, mode),
  token: 1n,
  slot: 0,
  isSilent: false,
});

const waits = (
  number: number,
  resource: string,
  owner: string,
  mode: Mode = 'exclusive',
): Waiting => ({ ...standing(resource, owner, mode), number: BigInt(number) });

const circles = (holdings: Holding[], waitings: Waiting[]): string[] =>
  circlesOf({ holdings, waitings }).map(inWords);

describe('a circle', () => {
  test('of two, in words', () => {
    expect(
      circles([holds('x', 'a'), holds('y', 'b')], [waits(1, 'y', 'a'), waits(2, 'x', 'b')]),
    ).toEqual(['"a" waits for "y", kept by "b", who waits for "x", kept by "a"']);
  });

  test('is none where somebody in it can go on', () => {
    expect(circles([holds('x', 'a'), holds('y', 'b')], [waits(1, 'y', 'a')])).toEqual([]);
  });

  test('of two readers who both want to write elsewhere', () => {
    const readers = [holds('x', 'a', 'shared'), holds('y', 'b', 'shared')];
    expect(circles(readers, [waits(1, 'y', 'a'), waits(2, 'x', 'b')])).toHaveLength(1);
    expect(circles(readers, [waits(1, 'y', 'a', 'shared'), waits(2, 'x', 'b', 'shared')])).toEqual(
      [],
    );
  });

  test('of places is none while one holder of a place can go on', () => {
    const mode = { permits: 2 };
    const taken = [holds('x', 'a', mode), holds('x', 'c', mode), holds('y', 'b')];
    const both = [waits(1, 'y', 'a'), waits(2, 'x', 'b', mode)];
    expect(circles(taken, both)).toEqual([]);
    expect(circles(taken, [...both, waits(3, 'y', 'c')])).toHaveLength(1);
  });

  test('goes through the line, too: a reader behind a writer waits for that writer', () => {
    const queues = [waits(1, 'x', 'b'), waits(2, 'x', 'c', 'shared'), waits(3, 'y', 'a')];
    expect(circles([holds('x', 'a', 'shared'), holds('y', 'c')], queues)).toEqual([
      '"b" waits for "x", kept by "a", who waits for "y", kept by "c", who waits for "x", kept by "b"',
    ]);
  });

  test('is none where only another wait of the one before in line is stuck for now', () => {
    const queues = [waits(1, 'x', 'a', 'shared'), waits(2, 'y', 'a'), waits(3, 'x', 'b', 'shared')];
    expect(circles([holds('x', 'h'), holds('y', 'b')], queues)).toEqual([]);
  });

  test('goes through a routine that waits within another one, and says in whose name', () => {
    const held = [holds('x', 'a'), holds('y', 'b')];
    expect(circles(held, [waits(1, 'y', 'a/1'), waits(2, 'x', 'b/1/1')])).toEqual([
      '"a/1" waits for "y", kept by "b", whose "b/1/1" waits for "x", kept by "a"',
    ]);
  });

  test('is none where one branch holds, and another one of the same routine waits', () => {
    const branches = [holds('x', 'a/1'), holds('y', 'b/1')];
    const both = [waits(1, 'y', 'a/2'), waits(2, 'x', 'b/2')];
    expect(circles(branches, both)).toEqual([]);
    const outer = [...branches, holds('z', 'a')];
    expect(circles(outer, [...both, waits(3, 'z', 'b/1/1')])).toEqual([
      '"a/2" waits for "y", kept by "b/1", whose "b/1/1" waits for "z", kept by "a"',
    ]);
  });

  test('is one wait alone where it waits for its own routine', () => {
    expect(circles([holds('x', 'a')], [waits(1, 'x', 'a/1/1')])).toEqual([
      '"a/1/1" waits for "x", kept by "a"',
    ]);
  });
});

test('a chain goes on with the very wait that stands before another one in line', () => {
  const queues = {
    holdings: [holds('x', 'h', 'shared'), holds('y', 'g')],
    waitings: [waits(1, 'y', 'a'), waits(2, 'x', 'a'), waits(3, 'x', 'd', 'shared')],
  };
  expect(inWords(chainOf('d@x', queues))).toBe(
    '"d" waits for "x", kept by "a", who waits for "x", kept by "h"',
  );
});

test('a chain goes on with whatever is waited for within the routine that holds', () => {
  const queues = {
    holdings: [holds('x', 'a'), holds('y', 'b')],
    waitings: [waits(1, 'y', 'a/2'), waits(2, 'x', 'c')],
  };
  expect(inWords(chainOf('c@x', queues))).toBe(
    '"c" waits for "x", kept by "a", whose "a/2" waits for "y", kept by "b"',
  );
});

test('a chain goes from a wait to whoever keeps it waiting, as far as it goes', () => {
  const queues = {
    holdings: [holds('x', 'a'), holds('y', 'b')],
    waitings: [waits(1, 'y', 'a'), waits(2, 'x', 'c'), waits(3, 'x', 'd')],
  };
  expect(inWords(chainOf('d@x', queues))).toBe(
    '"d" waits for "x", kept by "a", who waits for "y", kept by "b"',
  );
  expect(chainOf('nobody@x', queues)).toEqual([]);
});

/** Every order in which owners may let go: the sets of waits that are left when nobody can go on. */
function outcomes(queues: Queues): Set<string> {
  const ends = new Set<string>();
  const seen = new Set<string>();
  const visit = (holdings: readonly Standing[], waitings: readonly Waiting[]): void => {
    const key = JSON.stringify([
      holdings.map(({ request }) => request).sort(),
      waitings.map(({ request }) => request),
    ]);
    if (seen.has(key)) return;
    seen.add(key);
    const served = waitings.find(
      (wait) =>
        !waitings.some((other) => other.resource === wait.resource && other.number < wait.number) &&
        fits(
          wait,
          holdings.filter(({ resource }) => resource === wait.resource),
        ),
    );
    if (served !== undefined) {
      visit(
        [...holdings, served],
        waitings.filter((wait) => wait !== served),
      );
      return;
    }
    const free = holdings.filter(
      ({ owner }) => !waitings.some((wait) => askersOf(wait).includes(owner)),
    );
    if (free.length === 0)
      ends.add(
        waitings
          .map(({ request }) => request)
          .sort()
          .join(),
      );
    for (const next of free)
      visit(
        holdings.filter((hold) => hold !== next),
        waitings,
      );
  };
  visit(queues.holdings, queues.waitings);
  return ends;
}

function fits({ mode }: Waiting, holdings: readonly Standing[]): boolean {
  if (mode === 'exclusive') return holdings.length === 0;
  if (mode === 'shared') return holdings.every((hold) => hold.mode === 'shared');
  return holdings.length < mode.permits;
}

/** Owners that stand alone, branches of one routine, and routines within routines. */
const owners = ['a', 'b', 'c', 'd', 'a/1', 'a/2', 'a/1/1', 'b/1'];

/** Queues as a server can have them: what fits is held, the rest stands in line. */
const anyQueues = fc
  .record({
    permits: fc.array(fc.constantFrom<number | undefined>(undefined, undefined, 1, 2), {
      minLength: 3,
      maxLength: 3,
    }),
    asked: fc.uniqueArray(
      fc.record({ owner: fc.nat(owners.length - 1), resource: fc.nat(2), isShared: fc.boolean() }),
      { maxLength: 9, selector: ({ owner, resource }) => `${owner}@${resource}` },
    ),
  })
  .map(({ permits, asked }): Queues => {
    const holdings: Holding[] = [];
    const waitings: Waiting[] = [];
    for (const [index, { owner, resource, isShared }] of asked.entries()) {
      const places = permits[resource];
      const mode: Mode =
        places !== undefined ? { permits: places } : isShared ? 'shared' : 'exclusive';
      const [what, who] = ['xyz'.charAt(resource), owners[owner] as string];
      const wait = waits(index, what, who, mode);
      const isFree =
        !waitings.some((other) => other.resource === what) &&
        fits(
          wait,
          holdings.filter((hold) => hold.resource === what),
        );
      if (isFree) holdings.push(holds(what, who, mode));
      else waitings.push(wait);
    }
    return { holdings, waitings };
  });

test('there is a circle exactly where, in whatever order they let go, somebody waits for ever', () => {
  let stuck = 0;
  fc.assert(
    fc.property(anyQueues, (queues) => {
      const ends = [...outcomes(queues)];
      expect(ends).toHaveLength(1); // the order makes no difference
      const left = new Set(ends.join().split(',').filter(Boolean));
      const found = circlesOf(queues);
      expect(found.length > 0).toBe(left.size > 0);
      if (left.size > 0) stuck += 1;
      for (const circle of found) {
        for (const [index, { wait, blockedBy }] of circle.entries()) {
          expect(left).toContain(wait.request);
          const next = circle[(index + 1) % circle.length]?.wait;
          expect(next && askersOf(next)).toContain(blockedBy);
        }
      }
    }),
    { numRuns: 3_000 },
  );
  expect(stuck).toBeGreaterThan(100);
});

test('when the youngest wait of each circle gives way, and its owner lets go, everybody goes on', () => {
  fc.assert(
    fc.property(anyQueues, (start) => {
      let queues = start;
      for (let found = circlesOf(queues); found.length > 0; found = circlesOf(queues)) {
        const losers = found.map((circle) =>
          circle.reduce((one, other) => (one.wait.number > other.wait.number ? one : other)),
        );
        const gone = new Set(losers.flatMap(({ wait }) => askersOf(wait)));
        const isLeft = (each: Standing): boolean => !askersOf(each).some((who) => gone.has(who));
        queues = {
          holdings: queues.holdings.filter(isLeft),
          waitings: queues.waitings.filter(isLeft),
        };
      }
      expect([...outcomes(queues)]).toEqual(['']);
    }),
    { numRuns: 1_000 },
  );
});
