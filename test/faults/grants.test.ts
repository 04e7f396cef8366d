import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { expect, test } from 'vitest';
import { heard, holdElection } from '../support/election.ts';
import { until } from '../support/wait.ts';

test('a seat that comes free in the moment in which the wait for it ends has one owner, who knows', async () => {
  const waitMs = 12;
  await using election = await holdElection({
    ttlMs: 5_000,
    firstWaitMs: waitMs,
    maxWaitMs: waitMs,
    random: () => 0.999, // every wait is the whole wait
  });
  // Somebody else's session lock on the seat: free and taken to the millisecond, as none of ours is.
  const { controller, story } = await election.lead('standby');
  const rival = await rivalFor(election.url);
  try {
    for (let round = 0; round < 120; round += 1) {
      const seated = rival.sit();
      // Whoever was granted the seat last knows: the rival, or the controller, which then leads.
      await until(async () => {
        if (controller.isActive()) await controller.resign();
        return (await election.seatHolders())[0]?.pid === rival.pid;
      });
      await seated;
      await heard(controller, 'attempt');
      // It stands in the queue now: from a little before the end of its wait to a little after.
      await sleep(waitMs - 4 + (round % 8));
      await rival.rise();
    }
    const terms = story.of('active').length;
    expect(terms).toBeGreaterThan(20);
    expect(terms).toBeLessThan(120);
    await until(() => controller.isActive());
    const { seat } = await election.bothBackends('standby');
    expect(await election.seatHolders()).toEqual([{ pid: seat }]);
  } finally {
    await rival.client.end();
  }
  expect(story.of('warning')).toEqual([]);
}, 120_000);

async function rivalFor(url: string) {
  const client = new pg.Client({ connectionString: url, application_name: 'rival' });
  await client.connect();
  const { rows } = await client.query('select pg_backend_pid() as pid');
  const key = `lockd.class_key(lockd.seat_class()), (select id from lockd.lock)`;
  return {
    client,
    pid: rows[0].pid as number,
    sit: () => client.query(`select pg_advisory_lock(${key})`),
    rise: () => client.query(`select pg_advisory_unlock(${key})`),
  };
}
