import { describe, expect, test } from 'vitest';
import { rankOf } from '../../src/core/rank.ts';
import { query } from '../support/database.ts';
import { type Contender, holdElection } from '../support/election.ts';
import { registered } from '../support/registered.ts';

const ttlMs = 30_000;

const leads = (contenders: readonly Contender[]): (string | undefined)[] =>
  contenders.filter(({ controller }) => controller.isActive()).map(({ label }) => label);

test('a deploy of three over three moves leadership once, to a new one', async () => {
  await using election = await holdElection({ ttlMs });
  const old = { appVersion: '1.9.9' };
  const recent = { appVersion: '1.10.0' };
  const before = [await registered(election.lead('old 1', old))];
  for (const label of ['old 2', 'old 3']) {
    before.push(await registered(election.standBy(label, old)));
  }
  const after: Contender[] = [];
  for (const label of ['new 1', 'new 2', 'new 3']) {
    after.push(await registered(election.standBy(label, recent)));
  }
  for (const { controller } of before) {
    await controller.stop();
    await expect.poll(() => leads(after), { timeout: 10_000 }).toHaveLength(1);
  }
  const terms = await election.terms();
  expect(terms.map(({ label }) => label)).toEqual(['old 1', expect.stringContaining('new')]);
});

test('the highest priority goes first, though it came last', async () => {
  await using election = await holdElection({ ttlMs });
  const leader = await registered(election.lead('leader', { priority: 5 }));
  for (const priority of [1, 3, 4, 2]) {
    await registered(election.standBy(`p${priority}`, { priority }));
  }
  await leader.controller.stop();
  await expect.poll(() => leads(election.contenders), { timeout: 10_000 }).toEqual(['p4']);
});

test('whoever resigns does not take the seat back, whatever its priority', async () => {
  await using election = await holdElection({ ttlMs });
  const first = await registered(election.lead('first', { priority: 9 }));
  const second = await registered(election.standBy('second', { priority: 1 }));
  await first.controller.resign();
  await second.story.next('active');
});

test('one that goes first and does not come is waited for a moment only', async () => {
  await using election = await holdElection({ ttlMs: 3_000 });
  const leader = await registered(election.lead('leader'));
  const second = await registered(election.standBy('second', { priority: 1 }));
  const frozen = await election.host('frozen', { priority: 2 });
  await expect.poll(async () => (await election.backends('frozen')).control).not.toBeNull();
  frozen.freeze();
  await leader.controller.stop();
  await second.story.next('active');
  frozen.thaw();
});

test('those of one deploy stand in line: nobody gives way', async () => {
  await using election = await holdElection({ ttlMs });
  const leader = await registered(election.lead('leader'));
  for (const label of ['next', 'after']) await registered(election.standBy(label));
  await leader.controller.stop();
  await election.contenders[1]?.story.next('active');
  expect((await election.terms()).map(({ label }) => label)).toEqual(['leader', 'next']);
});

test('the database compares ranks as they are made, and takes starts within a minute for one deploy', async () => {
  await using election = await holdElection({ ttlMs });
  const at = 1_800_000_000_000;
  const ranks = [
    rankOf({}, at),
    rankOf({}, at + 60_001),
    rankOf({ appVersion: '1.9' }, at),
    rankOf({ appVersion: '1.10.0-rc.1' }, at),
    rankOf({ appVersion: '1.10.0' }, at),
    rankOf({ priority: -5 }, at),
    rankOf({ priority: 5 }, at),
  ];
  const outranks = async (one: readonly number[], other: readonly number[]) => {
    const [row] = await query<{ does: boolean }>(
      election.url,
      'select lockd.outranks($1, $2) as does',
      [one, other],
    );
    return row?.does;
  };
  for (const [index, rank] of ranks.entries()) {
    const below = await Promise.all(ranks.map((other) => outranks(rank, other)));
    expect(below).toEqual(ranks.map((_, other) => other < index));
  }
  expect(await outranks(rankOf({}, at + 59_000), rankOf({}, at))).toBe(false);
});

describe('a rank', () => {
  /** As the database compares arrays. */
  function isAbove(one: readonly number[], other: readonly number[]): boolean {
    for (const [at, part] of one.entries()) {
      const beside = other[at];
      if (beside === undefined || part > beside) return true;
      if (part < beside) return false;
    }
    return false;
  }

  test.each([
    [{ appVersion: '1.10.0' }, { appVersion: '1.9.9' }],
    [{ appVersion: '1.10.0' }, { appVersion: '1.10.0-rc.2' }],
    [{ appVersion: '1.10.0-rc.2' }, { appVersion: '1.10.0-rc.1' }],
    [{ appVersion: '1.10.1' }, { appVersion: '1.10' }],
    [{ appVersion: '2026-11-22.2' }, { appVersion: '2026-11-22.1' }],
    [{ appVersion: 'v43' }, { appVersion: 'v42' }],
    [{ appVersion: 'v1' }, {}],
    [{ priority: -1 }, { appVersion: '999' }],
    [
      { priority: 2, appVersion: '1' },
      { priority: 1, appVersion: '2' },
    ],
  ])('of %j is above that of %j', (one, other) => {
    const [above, below] = [rankOf(one, 7), rankOf(other, 7)];
    expect([isAbove(above, below), isAbove(below, above)]).toEqual([true, false]);
  });

  test('of one version is one, however it is written', () => {
    expect(rankOf({ appVersion: 'v1.10.0+build.7' }, 0)).toEqual(rankOf({ appVersion: '1.10' }, 0));
  });

  test.each(['', 'main', '4f2a9c1', 'deadbeef', '1.2.3 ', '1..2'])(
    'is not made of %j, which has no order',
    (appVersion) => {
      expect(() => rankOf({ appVersion }, 0)).toThrow(/has no order/);
    },
  );

  test.each([1.5, Number.NaN, Number.POSITIVE_INFINITY, '1'])(
    'is not made of priority %j',
    (priority) => {
      expect(() => rankOf({ priority: priority as number }, 0)).toThrow(/a whole number/);
    },
  );
});
