import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrate } from '../../src/postgres/migrate.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { withMistake } from './mutants/mutant.ts';
import { serverMutants } from './mutants/server.ts';
import { replay } from './replay/replay.ts';

const seed = 20_260;

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
  await migrate({ connectionString: database.url });
});

afterAll(() => database[Symbol.asyncDispose]());

test('the simulated server answers what a real one does, call by call', async () => {
  const { difference, tally } = await replay(database.url, 100, seed);
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

test.each([
  'the row is read before the grant',
  'the takeover is no compare-and-set',
  'a mark ends whoever leads',
  'the fence does not compare',
])(
  'a simulated server in which %s is told from a real one',
  async (name) => {
    const mistake = serverMutants.find((mutant) => mutant.name === name);
    if (mistake === undefined) throw new Error(`no such mistake: ${name}`);
    await using mistaken = await withMistake(mistake);
    const { replay: replayed } =
      await mistaken.load<typeof import('./replay/replay.ts')>('replay/replay.ts');
    expect((await replayed(database.url, 100, seed)).difference).toContain('simulated');
  },
  60_000,
);
