import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lockConformance } from '../../src/testing/index.ts';
import {
  inPostgres,
  inProcess,
  type LockPlace,
  onMemoryServer,
} from './conformance/lock-stages.ts';

/** The cases are the same: whatever passes here on one store only is not a case. */
describe.each([
  { store: 'a memory', create: inProcess, canCrash: false },
  { store: 'the server in memory', create: onMemoryServer, canCrash: true },
  { store: 'PostgreSQL', create: inPostgres, canCrash: true },
])('$store', ({ create, canCrash }) => {
  let place: LockPlace;
  beforeAll(async () => {
    place = await create();
  });
  afterAll(() => place[Symbol.asyncDispose]());

  const cases = lockConformance.filter(({ needs }) => canCrash || needs !== 'crash');
  test.each(cases)('$name', async ({ run }) => {
    await using stage = place.stage();
    await run(stage);
  });
});

test('no two cases have the same name', () => {
  const names = lockConformance.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
