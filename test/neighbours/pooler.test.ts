import { describe, expect, test } from 'vitest';
import { migrate } from '../../src/index.ts';
import { query } from '../support/database.ts';
import { holdElection, terminate } from '../support/election.ts';
import { pgbouncerMissing, startPgBouncer } from '../support/pgbouncer.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

const missing = await pgbouncerMissing();
if (missing !== undefined) console.log(`Tests behind PgBouncer are skipped: ${missing}`);

describe.skipIf(missing !== undefined)('behind PgBouncer', () => {
  test('statement pooling is refused, by a controller and by a migration', async () => {
    await using election = await holdElection();
    await using pool = await startPgBouncer(election.url, 'statement');
    const { controller } = election.enter('refused', { connectionString: pool.url });
    await expect(controller.start()).rejects.toMatchObject({ code: 'LOCKD_POOLER' });
    await expect(migrate({ connectionString: pool.url, schema: 'other' })).rejects.toMatchObject({
      code: 'LOCKD_POOLER',
    });
  });

  test('a session pool too small for a second instance keeps it out, and the leader leading, until there is room', async () => {
    await using election = await holdElection({ connectTimeoutMs: 500 });
    // For one instance: its two sessions, and the one that it makes for a moment to know the pool.
    await using pool = await startPgBouncer(election.url, 'session', { default_pool_size: 3 });
    const options = { connectionString: pool.url };
    const old = await election.lead('old', options);
    await until(async () => (await election.backends('old')).control !== null);
    const next = election.enter('next', options);
    await next.controller.start();
    await until(() => next.story.logged('could not campaign').length >= 3);
    expect(next.controller.state).toBe('passive');
    expect(old.story.of('passive')).toEqual([]);

    // What the leader loses may go to the other one, who waits in line for it: either of them leads.
    await terminate(election.url, (await election.bothBackends('old')).seat);
    await old.story.next('passive');
    await until(() => [old, next].some(({ controller }) => controller.isActive()), {
      timeoutMs: 20_000,
    });
    await old.controller.stop();
    await until(() => next.controller.isActive(), { timeoutMs: 20_000 });
  }, 60_000);

  test('a session pool that resets nothing hands nobody a seat of the dead: it is free after one lease', async () => {
    const ttlMs = 1_500;
    await using election = await holdElection({ ttlMs });
    await using pool = await startPgBouncer(election.url, 'session', { server_reset_query: '' });
    const options = { connectionString: pool.url };
    const old = await election.host('old', options);
    await old.next('active');
    const next = await election.standBy('next', options);
    await election.beats(1);
    const [holder] = await election.seatHolders();
    old.kill();
    const killedAt = now();
    const active = await next.story.next('active');
    expect(active.at - killedAt).toBeLessThan(2 * ttlMs + 2_000);
    const [seat] = await election.seatHolders();
    expect(seat).not.toEqual(holder);
    const gone = await query(election.url, 'select from pg_stat_activity where pid = $1', [
      holder?.pid,
    ]);
    expect(gone).toEqual([]);
  });
});
