import { expect, test } from 'vitest';
import { judgeItems, overlaps, shared } from './checker.ts';
import { Book } from './claim.ts';
import { boundOf, type Cause } from './fault.ts';
import { faults } from './faults/all.ts';
import { planned } from './plan.ts';
import { textReport } from './report.ts';
import type { Round, Run } from './run.ts';
import { hasTold, isClean, slow, violations, whyUncounted } from './verdict.ts';

test('a run in which all went well is clean', () => {
  const clean = runOf();
  expect([isClean(clean), violations(clean)]).toEqual([true, []]);
  expect(textReport(clean)).toContain('every promise was kept');
});

test('a run that saw no fault, no leader or no item is broken', () => {
  expect(violations(runOf({ rounds: [] }))).toEqual(['no fault struck']);
  expect(violations(runOf({ tenures: [] }))).toEqual(['nobody claimed to lead']);
  expect(violations(runOf({ items: judgeItems([], []) }))).toEqual(['no item was done']);
  const unheard = judgeItems([{ item: 1, token: 1n }], []);
  expect(violations(runOf({ items: unheard }))).toEqual(['no item was done']);
});

test('two processes under one token break a run, and are named by their pids', () => {
  const tenures = claimed([1, 11], [1, 12], [1, 11]);
  expect(violations(runOf({ tenures, shared: shared(tenures) }))).toEqual([
    'token 1 was led under by a (pid 11), a (pid 12)',
  ]);
});

test('a recovery over its bound is no clean run, and is reported', () => {
  const late = runOf({ rounds: [roundOf('clean stop', { terms: 1, recoveryMs: 1_001 })] });
  expect([isClean(late), slow(late).length, slow(late, 2).length]).toEqual([false, 1, 0]);
  expect(textReport(late)).toContain('OVER ITS BOUND');
  expect(textReport(late)).not.toContain('every promise was kept');
});

test('a round in which the machine stood still is not held to its bound', () => {
  const facts = { terms: 1, recoveryMs: 9_000, stalledMs: 251 };
  expect(slow(runOf({ rounds: [roundOf('clean stop', facts)] }))).toEqual([]);
});

test('a fault of a standby may not change the leader, however fast, nor silence it', () => {
  const over = (cause: Cause, facts: Partial<Round>, factor = 1) =>
    slow(runOf({ rounds: [roundOf(cause, facts)] }), factor).length === 1;
  expect(over('standby only', { terms: 1, recoveryMs: 5 })).toBe(true);
  expect(over('standby only', { terms: 1, recoveryMs: 5 }, 2)).toBe(true);
  expect(over('standby only', { silenceMs: 251 })).toBe(true);
  expect(over('standby only', { silenceMs: 250 })).toBe(false);
  expect(over('frozen command', { silenceMs: 3_000 })).toBe(false);
  expect(over('frozen command', { terms: 1, recoveryMs: 5 })).toBe(true);
});

test('the table counts what is over, whatever its place among the rounds', () => {
  const rounds = [roundOf('clean stop', { terms: 1, recoveryMs: 900 })];
  const row = textReport(runOf({ rounds })).match(/^clean stop .*$/m)?.[0];
  expect(row?.trim().split(/\s{2,}/)).toEqual(
    ['clean stop', 1, 0, 900, 900, 900, 1_000, 0].map(String),
  );
});

test('draws that found nothing to hit are no rounds, and are reported apart', () => {
  const missed = [1, 2, 3].map((draw) => planned(7, 1, faults.slice(0, 1), 1_500, draw));
  const report = textReport(runOf({ missed }));
  expect(report).toContain('1 of 5 rounds');
  expect(report).toContain('3 draws found nothing to hit and are no rounds: stop 3');
});

test('a draw that takes the place of another is another one, and the same each time', () => {
  const draws = [1, 2, 3, 4, 5].map((draw) => planned(7, 40, faults, 1_500, draw));
  expect(new Set(draws.map(({ fault, details }) => JSON.stringify([fault.id, details]))).size).toBe(
    5,
  );
  expect(planned(7, 40, faults, 1_500, 3)).toEqual(draws[2]);
  expect(planned(7, 40, faults, 1_500)).toEqual(draws[0]);
});

test('a report names the faults and the instances it was played with', () => {
  const report = textReport(runOf());
  expect(report).toContain('instances: run, plain');
  expect(report).toContain('faults: stop, hand-over');
});

test('a control has told when it shows two leaders and what they did, and not before', () => {
  const tenures = claimed([1, 11], [2, 12], [1, 11]);
  const found = overlaps(tenures).map((overlap) => ({ ...overlap, ms: 251 }));
  const twice = [1n, 2n].map((token) => ({ item: 1, token }));
  const doubled = judgeItems(twice, []);
  const outOfTurn = judgeItems(
    [
      { item: 1, token: 2n },
      { item: 2, token: 1n },
    ],
    [],
  );
  const { items } = runOf();
  expect(hasTold({ overlaps: found, items: doubled })).toBe(true);
  expect(hasTold({ overlaps: found, items: outOfTurn })).toBe(true);
  expect(hasTold({ overlaps: found, items })).toBe(false);
  expect(hasTold({ overlaps: [], items: doubled })).toBe(false);
  // So long may the work of a term that is over take to heed its signal.
  expect(hasTold({ overlaps: overlaps(tenures), items: doubled })).toBe(false);
});

test('a run that was stopped, or whose control is missing, stopped or mute, does not count', () => {
  const tenures = claimed([1, 11], [2, 12], [1, 11]);
  const items = judgeItems(
    [1n, 2n].map((token) => ({ item: 1, token })),
    [],
  );
  const telling = runOf({
    overlaps: overlaps(tenures).map((overlap) => ({ ...overlap, ms: 251 })),
    items,
  });
  expect(whyUncounted(runOf(), telling)).toBeUndefined();
  expect(whyUncounted(runOf({ isAborted: true }), telling)).toMatch('stopped');
  expect(whyUncounted(runOf(), undefined)).toMatch('no positive control');
  expect(whyUncounted(runOf(), { ...telling, isAborted: true })).toMatch('stopped');
  expect(whyUncounted(runOf(), runOf())).toMatch('needs an overlap');
  expect(textReport(runOf({ isAborted: true }))).toContain('this is no verdict');
});

function roundOf(cause: Cause, facts: Partial<Round> = {}): Round {
  const { recoveryMs } = facts;
  return {
    ...planned(7, 1, faults, 1_500),
    cause,
    whom: 'a',
    struckAt: 0,
    settledAt: 1_000,
    terms: 0,
    gap: recoveryMs === undefined ? undefined : { from: 0, to: recoveryMs },
    recoveryMs,
    boundMs: boundOf(cause, 1_500),
    silenceMs: 3,
    stalledMs: 0,
    overlaps: [],
    ...facts,
  };
}

function runOf(facts: Partial<Run> = {}): Run {
  return {
    settings: {
      seed: 7,
      rounds: 5,
      faults: faults.slice(0, 2),
      ttlMs: 1_500,
      kinds: ['run', 'plain'],
      takeover: 'safe',
      isFenced: true,
    },
    rounds: [roundOf('standby only')],
    missed: [],
    isAborted: false,
    tenures: claimed([1, 11]),
    overlaps: [],
    shared: [],
    closestShaveMs: 10,
    items: judgeItems([{ item: 1, token: 1n }], [{ item: 1, token: 1n, at: 1 }]),
    refused: 0,
    evidence: [],
    stuck: undefined,
    seconds: 1,
    ...facts,
  };
}

/** One claim each, at 0, 1, 2 and so on. */
function claimed(...claims: readonly (readonly [token: number, pid: number])[]) {
  const book = new Book();
  for (const [at, [token, pid]] of claims.entries()) {
    book.add({ kind: 'claim', at, token: `${token}`, label: 'a', pid });
  }
  return book.tenures();
}
