import pg from 'pg';
import { expect, test } from 'vitest';
import { readStatus } from '../../src/index.ts';
import { holdElection, terminate } from '../support/election.ts';
import { deferred, until } from '../support/wait.ts';

test('a stop whose sessions are ended during the drain is confessed all the same', async () => {
  await using election = await holdElection({ ttlMs: 10_000 });
  const { controller, story } = await election.lead('leader');
  await until(async () => (await election.backends('leader')).control !== null);
  const work = deferred();
  void controller.track(work.promise);
  const stopped = controller.stop();
  await story.next('passive');
  const { seat, control } = await election.backends('leader');
  await terminate(election.url, seat as number, control as number);
  work.resolve();
  await stopped;
  expect((await election.terms())[0]?.ended_by).toMatch(/release|confession/);
});

test('locks of others, whatever their keys, do not disturb the status', async () => {
  await using election = await holdElection();
  await election.lead('leader');
  const stranger = new pg.Client({ connectionString: election.url });
  await stranger.connect();
  try {
    await stranger.query('select pg_advisory_lock(1234, -5)');
    const [status] = await readStatus({ connectionString: election.url }, election.name);
    expect(status?.leader?.label).toBe('leader');
  } finally {
    await stranger.end();
  }
});
