import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrate } from '../../src/postgres/migrate.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { coreMutants } from './mutants/core.ts';
import { type Mutant, withMistake } from './mutants/mutant.ts';
import { serverMutants } from './mutants/server.ts';
import { replay } from './replay/replay.ts';

const seed = 20_260;
const runs = 100;

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
  await migrate({ connectionString: database.url });
});

afterAll(() => database[Symbol.asyncDispose]());

test('the simulated server answers what a real one does, call by call', async () => {
  const { difference, tally } = await replay(database.url, { runs, seed, isShrunk: true });
  expect(difference).toBeUndefined();
  // Each answer of each call has been seen, or the agreement says little.
  const answers = {
    attempt: ['granted', 'busy', 'LOCKD_OCCUPIED'],
    takeover: ['taken', 'changed', 'blocked', 'LOCKD_UNCERTAIN'],
    beat: ['true', 'false'],
    release: ['true', 'false', 'LOCKD_UNCERTAIN'],
    fence: ['done', 'LOCKD_STALE_TOKEN'],
    testimony: ['true'],
    confession: ['true'],
  };
  for (const [call, seen] of Object.entries(answers)) {
    for (const answer of seen) {
      const times = tally.of(call, answer) + tally.of(`${call} while others wait`, answer);
      expect(times, `${call}: ${answer}\n${tally}`).toBeGreaterThanOrEqual(10);
    }
  }
}, 120_000);

/** The others take a crash, a race, or a row that is older than what was seen: no single answer shows them. */
const told = [
  'unlock before the ended mark',
  'the row is read before the grant',
  'the token is not bumped',
  'the takeover is no compare-and-set',
  'a mark ends whoever leads',
  'a fenced transaction does not hold the gate',
  'the takeover does not wait at the fence gate',
  'the fence does not compare',
].map((name) => {
  const mistake = serverMutants.find((mutant) => mutant.name === name);
  if (mistake === undefined) throw new Error(`no such mistake: ${name}`);
  return mistake;
});

test('what schedules leave to the replay is told here', () => {
  const left = [...coreMutants, ...serverMutants].filter(({ caughtBy }) => caughtBy === 'replay');
  expect(told).toEqual(expect.arrayContaining(left));
});

/** What the replay finds on a copy of the simulated server with this mistake. */
async function differenceOf(mistake: Mutant): Promise<string | undefined> {
  await using mistaken = await withMistake(mistake);
  const { replay: replayed } =
    await mistaken.load<typeof import('./replay/replay.ts')>('replay/replay.ts');
  return (await replayed(database.url, { runs, seed, isShrunk: false })).difference;
}

test.each(told)(
  'a simulated server in which $name is told from a real one',
  async (mistake) => {
    expect(await differenceOf(mistake)).toContain('simulated');
  },
  60_000,
);

test('a copy of it without a mistake is not', async () => {
  const [{ from, ...mistake }] = told as [Mutant];
  expect(await differenceOf({ ...mistake, from, to: from })).toBeUndefined();
}, 120_000);
