import { expect, test } from 'vitest';
import { readStatus, SingletonLockController } from '../../src/index.ts';
import { holdElection } from '../support/election.ts';

test.each([
  ['composed and decomposed', 'caf\u00e9', 'cafe\u0301'],
  ['upper and lower case', 'Bot', 'bot'],
  ['with a blank behind it and without', 'bot', 'bot '],
  ['with a character of no width and without', 'bot', 'bo\u200bt'],
  ['Latin and Cyrillic', 'bot', 'b\u043et'],
])(
  'a name is its characters, one by one: %s, it is two names, and the status has both',
  async (_what, one, other) => {
    await using election = await holdElection();
    await using first = named(election.url, one);
    await using second = named(election.url, other);
    await Promise.all([first.start(), second.start()]);
    expect([first.isActive(), second.isActive()]).toEqual([true, true]);
    const status = await readStatus({ connectionString: election.url });
    expect(status.map(({ name, leader }) => [name, leader?.token])).toEqual(
      [first, second]
        .map(({ name, term }) => [name, term?.token] as const)
        .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    );
  },
);

test('a name lives in one database: in two, two lead', async () => {
  await using here = await holdElection();
  await using there = await holdElection();
  const one = await here.lead('one');
  const other = await there.lead('other');
  expect(one.controller.isActive()).toBe(true);
  expect(other.controller.isActive()).toBe(true);
});

test('whatever the search path of its role, a controller finds the schema it was told of', async () => {
  await using election = await holdElection();
  const address = new URL(election.url);
  address.searchParams.set('options', '-c search_path=elsewhere,pg_temp,lockd');
  const old = await election.lead('old');
  const next = await election.standBy('next', { connectionString: address.href });
  await old.controller.stop();
  await next.story.next('active');
});

const named = (connectionString: string, name: string): SingletonLockController =>
  new SingletonLockController({ name, connectionString, ttlMs: 3_000 });
