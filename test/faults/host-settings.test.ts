import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { readStatus } from '../../src/index.ts';
import { query } from '../support/database.ts';
import { holdElection } from '../support/election.ts';

/** What `pg` reads values with, for the whole process: a host may have set any of it. */
const texts: readonly number[] = [16, 20, 21, 23, 25, 26, 114, 701, 1007, 1114, 1184, 2950, 3802];
const before = new Map(texts.map((oid) => [oid, pg.types.getTypeParser(oid, 'text')]));

afterEach(() => {
  for (const [oid, parse] of before)
    pg.types.setTypeParser(oid, parse as (text: string) => unknown);
});

test('how the host has `pg` read values changes nothing: it is led, handed over and shown', async () => {
  for (const oid of texts) pg.types.setTypeParser(oid, (text: string) => ({ theirs: text }));
  await using election = await holdElection();
  const old = await election.lead('old', { metadata: { zone: 'a' } });
  const next = await election.standBy('next');
  const [status] = await readStatus({ connectionString: election.url }, election.name);
  expect(status).toMatchObject({ isLed: true, leader: { label: 'old' }, faults: [] });
  expect(status?.leader?.token).toBe(old.controller.term?.token);
  for (const at of [status?.readAt, status?.leader?.since, status?.waiting[0]?.since]) {
    expect(Math.abs(Date.now() - Number(at))).toBeLessThan(60_000);
  }
  await old.controller.stop();
  await next.story.next('active');
});

test.each(['German', 'SQL, DMY', 'Postgres'])(
  'times are read right where a database writes them as in %s',
  async (style) => {
    await using election = await holdElection();
    await query(election.url, `alter database ${election.database} set datestyle = ${style}`);
    const { controller } = await election.lead('only');
    await controller.stop();
    const [status] = await readStatus({ connectionString: election.url }, election.name);
    const { since, endedAt } = status?.leader ?? {};
    for (const at of [status?.readAt, since, endedAt]) {
      expect(Math.abs(Date.now() - Number(at))).toBeLessThan(60_000);
    }
  },
);

test.each([
  [
    'the configuration',
    (url: string) => ({ connectionString: url, connection: { query_timeout: 100 } }),
  ],
  ['the address', (url: string) => ({ connectionString: `${url}?query_timeout=100` })],
])(
  'a `query_timeout` in %s, meant for a pool, cuts no attempt short',
  async (_what, optionsFor) => {
    await using election = await holdElection({ ttlMs: 6_000, firstWaitMs: 600 });
    const options = optionsFor(election.url);
    const old = await election.lead('old', options);
    const next = await election.standBy('next', options);
    for (let attempt = 0; attempt < 4; attempt += 1) await next.story.next('attempt');
    expect(next.story.of('warning')).toEqual([]);
    await old.controller.stop();
    await next.story.next('active');
  },
);
