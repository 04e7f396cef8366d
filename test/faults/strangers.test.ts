import { expect, test } from 'vitest';
import { readStatus } from '../../src/index.ts';
import { holdElection } from '../support/election.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';
import { openTransaction } from '../support/writers.ts';

test.each([
  ['its row', 'select from lockd.lease for update'],
  ['its table, against writers', 'lock table lockd.lease in share mode'],
  ['its table, against everybody', 'lock table lockd.lease in access exclusive mode'],
])(
  'a stranger’s lock on the lease (%s) stops beats and takeovers: nobody leads until it is gone, and then at once',
  async (_what, lock) => {
    const ttlMs = 2_000;
    await using election = await holdElection({ ttlMs, callTimeoutMs: 1_000 });
    const old = await election.lead('old');
    const next = await election.standBy('next');
    await election.beats(1);
    await using stranger = await openTransaction(election.url);
    await stranger.query(lock);
    const lockedAt = now();
    const passive = await old.story.next('passive');
    expect(passive.at - lockedAt).toBeLessThan(ttlMs + 1_000);
    // Whoever has the seat now, the old one again or the next.
    await until(() => [old, next].some(({ story }) => story.of('warning').length > 0));
    expect([old, next].flatMap(({ story }) => story.of('active'))).toHaveLength(1);
    await stranger.query('rollback');
    const freedAt = now();
    await until(() => [old, next].some(({ controller }) => controller.isActive()));
    expect(now() - freedAt).toBeLessThan(ttlMs + 3_000);
  },
  60_000,
);

test('a stranger’s lock on the seat, shared or not, keeps everybody out, and is named with how to end it', async () => {
  await using election = await holdElection({ ttlMs: 2_000 });
  const first = await election.lead('first');
  await using stranger = await openTransaction(election.url);
  for (const take of ['pg_advisory_xact_lock_shared', 'pg_advisory_xact_lock']) {
    const seat = 'lockd.class_key(lockd.seat_class()), (select id from lockd.lock)';
    await first.controller.stop();
    await stranger.query(`select ${take}(${seat})`);
    await first.controller.start();
    expect(first.controller.state).toBe('passive');
    const [status] = await readStatus({ connectionString: election.url }, election.name);
    expect(status?.faults).toMatchObject([
      {
        code: 'seat-held',
        remedy: expect.stringContaining(`pg_terminate_backend(${stranger.pid})`),
      },
    ]);
    await stranger.query('rollback; begin');
    await first.story.next('active');
  }
});
