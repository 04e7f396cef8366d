import { expect, test } from 'vitest';
import { lockd as cli } from '../support/cli.ts';
import { query } from '../support/database.ts';
import { now } from '../support/story.ts';
import { type LockDatabase, lockDatabase } from './database.ts';
import { workersAt } from './faults/worker.ts';

const ttlMs = 1_000;
/** Beyond a TTL: what a busy machine needs. */
const promptMs = 10_000;

/** Something that somebody held who was killed, and had no guard. */
async function orphaned(lockd: LockDatabase, id: string): Promise<void> {
  await using workers = workersAt(lockd.url, { ttlMs });
  const holder = await workers.start();
  await holder.hold(id);
  holder.signal('SIGKILL');
}

/** Asks by processes that end once they were answered, until one has it. Since the first note of it. */
async function untilHad(lockd: LockDatabase, ask: () => Promise<boolean>): Promise<number> {
  let since: number | undefined;
  for (let round = 0; ; round += 1) {
    const isHad = await ask();
    const at = now();
    if (isHad) return at - (since ?? at);
    const notes = await query(lockd.url, 'select from lockd.silence');
    if (notes.length > 0) since ??= at;
    if (round > 200) throw new Error('it is refused for ever');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test.each([
  ['who does not wait', 0],
  ['who waits for less than a look takes', 20],
  ['who waits for less than the TTL', 600],
])(
  '%s, and ends, has what was left by the dead a TTL after the first one was refused',
  async (_, waitMs) => {
    await using lockd = await lockDatabase();
    await orphaned(lockd, 'cron');
    const tookMs = await untilHad(lockd, async () => {
      const locks = lockd.manager();
      try {
        const hold = await locks.acquire('cron', { waitMs });
        await hold.release();
        return true;
      } catch (error) {
        expect(error).toMatchObject({ code: 'LOCKD_BUSY' });
        return false;
      } finally {
        await locks.stop();
      }
    });
    const [end] = await query<{ ended_by: string; silentMs: number }>(
      lockd.url,
      `select ended_by, (extract(epoch from ended_at - beat_at) * 1000)::integer as "silentMs"
     from lockd.lease where ended_by = 'expiry'`,
    );
    expect(end?.silentMs).toBeGreaterThanOrEqual(ttlMs);
    expect(tookMs).toBeLessThan(ttlMs + promptMs);
    expect(await query(lockd.url, 'select from lockd.silence')).toEqual([]);
  },
);

test('so has the first `lockd lock -n` that comes then', async () => {
  await using lockd = await lockDatabase();
  await orphaned(lockd, 'cron');
  const ask = async () => {
    const { code } = await cli(['lock', 'cron', '-n', '--', 'true'], { DATABASE_URL: lockd.url });
    expect([0, 1]).toContain(code);
    return code === 0;
  };
  expect(await untilHad(lockd, ask)).toBeLessThan(ttlMs + promptMs);
});

test('after a crash of the server, too, who does not wait is not refused by the dead for ever', async () => {
  await using lockd = await lockDatabase();
  await orphaned(lockd, 'cron');
  await query(lockd.url, 'truncate lockd.hold, lockd.waiter, lockd.epoch, lockd.silence');
  const tookMs = await untilHad(lockd, async () => {
    const locks = lockd.manager();
    const hold = await locks.tryAcquire('another').catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'LOCKD_UNAVAILABLE' });
    });
    await hold?.release();
    await locks.stop();
    return hold !== undefined;
  });
  expect(tookMs).toBeLessThan(ttlMs + promptMs);
});

test('a holder that lives costs those that it refuses no note', async () => {
  await using lockd = await lockDatabase();
  const [holder, other] = [lockd.manager({ ttlMs: 60_000 }), lockd.manager()];
  await holder.acquire('cron');
  for (const waitMs of [0, 20, 600]) {
    await expect(other.acquire('cron', { waitMs })).rejects.toMatchObject({ code: 'LOCKD_BUSY' });
  }
  expect(await query(lockd.url, 'select from lockd.silence')).toEqual([]);
});
