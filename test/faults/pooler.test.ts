import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { holdElection } from '../support/election.ts';
import { pgbouncerMissing, startPgBouncer } from '../support/pgbouncer.ts';
import { now } from '../support/story.ts';

const missing = await pgbouncerMissing();
if (missing !== undefined) console.log(`Tests behind PgBouncer are skipped: ${missing}`);

describe.skipIf(missing !== undefined)('behind PgBouncer', () => {
  test('session pooling elects, hands over and survives the pooler’s death', async () => {
    await using election = await holdElection();
    await using direct = await startPgBouncer(election.url, 'session');
    const options = { connectionString: direct.url };
    const old = await election.lead('old', options);
    const next = await election.standBy('next', options);
    await election.beats(2);
    const leftAt = now();
    await old.controller.resign();
    const active = await next.story.next('active');
    expect(active.at - leftAt).toBeLessThan(1_500);
    await old.story.next('observed');

    await direct[Symbol.asyncDispose]();
    expect(await next.story.next('passive')).toMatchObject({ token: active.token });
    const third = election.enter('third');
    await third.controller.start();
    await third.story.next('active');
  });

  test('transaction pooling is refused, on a quiet pool and on a busy one', async () => {
    await using election = await holdElection();
    await using pool = await startPgBouncer(election.url, 'transaction');
    const refused = { code: 'LOCKD_POOLER' };
    const quiet = election.enter('quiet', { connectionString: pool.url });
    await expect(quiet.controller.start()).rejects.toMatchObject(refused);
    expect(quiet.controller.state).toBe('stopped');

    // Others that come and go keep the backends from meeting in a telling order.
    const done = new AbortController();
    const others = [1, 2].map(() => chatter(pool.url, done.signal));
    try {
      for (let round = 0; round < 60; round += 1) {
        const { controller } = election.enter(`busy ${round}`, { connectionString: pool.url });
        await expect(controller.start()).rejects.toMatchObject(refused);
      }
    } finally {
      done.abort();
      await Promise.all(others);
    }
  });
});

async function chatter(url: string, signal: AbortSignal): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'chatter' });
  await client.connect();
  while (!signal.aborted) {
    await client.query('select pg_sleep(0.001)');
    await sleep(Math.random() * 10); // the thinking of a client, not a wait for anything
  }
  await client.end();
}
