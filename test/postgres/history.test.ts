import { expect, test } from 'vitest';
import { readHistory } from '../../src/index.ts';
import { createDatabase, query } from '../support/database.ts';
import { type Election, holdElection } from '../support/election.ts';

const longTtl = { ttlMs: 60_000 } as const;

test('nobody has ever led it: no terms', async () => {
  await using election = await holdElection();
  expect(await readHistory({ connectionString: election.url }, 'unheard-of')).toEqual([]);
});

test('terms come the newest last, with who led, from when to when, why it ended, and the gap before', async () => {
  await using election = await holdElection(longTtl);
  const first = await election.lead('first');
  const token = first.controller.term?.token;
  const second = await election.standBy('second');
  await first.controller.resign();
  await second.controller.whenActive();
  const [one, two, ...rest] = await history(election);
  expect(rest).toEqual([]);
  expect(one).toEqual({
    token,
    instance: first.controller.instance,
    label: 'first',
    startedAt: expect.any(Date),
    endedAt: expect.any(Date),
    endedBy: 'release',
    reason: 'resigned',
    gapMs: undefined,
    isRunning: false,
    lastBeatAt: undefined,
  });
  expect(two).toEqual({
    token: second.controller.term?.token,
    instance: second.controller.instance,
    label: 'second',
    startedAt: expect.any(Date),
    endedAt: undefined,
    endedBy: undefined,
    reason: undefined,
    gapMs: expect.any(Number),
    isRunning: true,
    lastBeatAt: expect.any(Date),
  });
  const gapMs = Number(two?.startedAt) - Number(one?.endedAt);
  expect(Math.abs((two?.gapMs ?? Number.NaN) - gapMs)).toBeLessThanOrEqual(2);
});

test('a term that nobody has ended does not run any more when its lease is over', async () => {
  await using election = await holdElection(longTtl);
  const { controller } = await election.lead('gone');
  await controller.stop();
  await query(
    election.url,
    `update lockd.lease set ended_at = null, beat_at = '2026-01-01T00:00:00Z';
     update lockd.term set ended_at = null, ended_by = null, reason = null`,
  );
  expect(await history(election)).toMatchObject([
    { endedAt: undefined, isRunning: false, lastBeatAt: new Date('2026-01-01T00:00:00Z') },
  ]);
});

test('a term that a successor ended was silent from its last beat on', async () => {
  await using election = await holdElection({ ttlMs: 1_000 });
  await election.lead('lost');
  await election.contenders[0]?.controller.stop({ force: true });
  await query(
    election.url,
    `update lockd.lease set ended_at = null; update lockd.term set ended_at = null, ended_by = null`,
  );
  await election.lead('next');
  expect((await history(election))[0]).toMatchObject({
    label: 'lost',
    endedBy: 'takeover',
    reason: 'fell silent',
  });
});

test('as many as were asked for, the latest, and only those that lasted into the time asked for', async () => {
  await using election = await painted();
  const labels = async (options: Parameters<typeof readHistory>[2]) =>
    (await history(election, options)).map(({ label }) => label);
  expect(await labels({})).toHaveLength(100);
  expect(await labels({ limit: 3 })).toEqual(['3 h ago', '2 h ago', '1 h ago']);
  expect(await labels({ limit: 1_000 })).toHaveLength(120);
  // It began earlier, and ended within.
  expect(await labels({ sinceMs: 2.5 * 3_600_000 })).toEqual(['3 h ago', '2 h ago', '1 h ago']);
  expect(await labels({ sinceMs: 1 })).toEqual(['1 h ago']);
});

test.each([
  [{ limit: 0 }, /`limit` to be a whole number from 1 to 1000/],
  [{ limit: 1.5 }, /`limit`/],
  [{ sinceMs: 0 }, /`sinceMs` to be from 1 ms to ten years/],
  [{ sinceMs: Number.NaN }, /`sinceMs`/],
  [{ since: 1 }, /since/],
])('%j is refused before anything is asked', async (options, says) => {
  const database = { connectionString: 'postgres://127.0.0.1:1/x' };
  await expect(readHistory(database, 'bot', options as object)).rejects.toThrow(says);
});

test('a database without the schema says what to run', async () => {
  await using database = await createDatabase();
  await expect(readHistory({ connectionString: database.url }, 'bot')).rejects.toMatchObject({
    code: 'LOCKD_SCHEMA_MISSING',
    message: expect.stringContaining('There is no schema'),
  });
});

const history = (election: Election, options?: Parameters<typeof readHistory>[2]) =>
  readHistory({ connectionString: election.url }, election.name, options);

/** 120 terms of an hour each, one after the other, the last one still running. */
async function painted(): Promise<Election> {
  const election = await holdElection(longTtl);
  const { controller } = await election.lead('gone');
  await controller.stop();
  await query(
    election.url,
    `delete from lockd.term;
     insert into lockd.term (lock_id, token, instance, label, started_at, ended_at, ended_by, reason)
     select k.id, 1000 - n, gen_random_uuid(), n || ' h ago', now() - n * interval '1 h',
            case when n > 1 then now() - (n - 1) * interval '1 h' end,
            case when n > 1 then 'release' end, case when n > 1 then 'resigned' end
     from lockd.lock k, generate_series(1, 120) n`,
  );
  return election;
}
