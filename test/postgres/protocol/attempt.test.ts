import { describe, expect, test } from 'vitest';
import { until } from '../../support/wait.ts';
import { type Backend, useDatabase } from '../backends.ts';

const lockd = useDatabase();

const seatLock = 'lockd.class_key(lockd.seat_class())';

async function waiters(backend: Backend, seat: number): Promise<number> {
  const { count } = await backend.one(
    'select count(*)::int as count from lockd.advisory_locks(lockd.seat_class()) where object = $1 and not is_granted',
    [seat],
  );
  return count as number;
}

describe('an attempt', () => {
  test('is granted where nobody holds the seat, and brings the row of the name', async () => {
    const { seat, backends } = await lockd.setup(1);
    const [one] = backends;
    const { status, token, timeline, lock_class } = await one.one(
      'select status, (lease).token, (lease).timeline, (lease).lock_class from lockd.attempt($1, 50, 60000, gen_random_uuid(), array[0], 0)',
      [seat],
    );
    expect({ status, token }).toEqual({ status: 'granted', token: '0' });
    expect(timeline).toMatch(/^[0-9A-F]{8}$/);
    const { oid } = await one.one("select 'lockd.lock'::regclass::oid as oid");
    expect(lock_class).toBe(oid);
    expect(await one.holdsSeat(seat)).toBe(true);
  });

  test('is busy after its wait where somebody else does, without an ERROR', async () => {
    const { seat, backends } = await lockd.setup(2);
    const [one, two] = backends;
    await one.attempt(seat);
    const began = performance.now();
    expect(await two.attempt(seat, 120)).toBe('busy');
    expect(performance.now() - began).toBeGreaterThanOrEqual(115);
    expect(await two.holdsSeat(seat)).toBe(false);
    expect(two.warnings).toEqual([]);
  });

  test('is granted while it waits, in the moment the seat comes free', async () => {
    const { seat, backends } = await lockd.setup(2);
    const [one, two] = backends;
    await one.attempt(seat);
    const waiting = two.attempt(seat, 10_000);
    await until(async () => (await waiters(one, seat)) === 1);
    await one.query(`select pg_advisory_unlock(${seatLock}, $1)`, [seat]);
    expect(await waiting).toBe('granted');
  });

  test('stands in the order of the queue', async () => {
    const { seat, backends } = await lockd.setup(3);
    const [one, two, three] = backends;
    await one.attempt(seat);
    const order: string[] = [];
    const second = two.attempt(seat, 10_000).then(() => order.push('two'));
    await until(async () => (await waiters(one, seat)) === 1);
    const third = three.attempt(seat, 10_000).then(() => order.push('three'));
    await until(async () => (await waiters(one, seat)) === 2);
    await one.query(`select pg_advisory_unlock(${seatLock}, $1)`, [seat]);
    await second;
    await two.query(`select pg_advisory_unlock(${seatLock}, $1)`, [seat]);
    await third;
    expect(order).toEqual(['two', 'three']);
  });

  test('by a backend that already holds the seat is refused: it would be held twice', async () => {
    const { seat, backends } = await lockd.setup(1);
    const [one] = backends;
    await one.attempt(seat);
    expect(await one.attempt(seat)).toBe('occupied');
    await one.query(`select pg_advisory_unlock(${seatLock}, $1)`, [seat]);
    expect(await one.holdsSeat(seat)).toBe(false);
  });

  test('reads the row after the grant, not as it was when it began to wait', async () => {
    const { seat, backends } = await lockd.setup(2);
    const [one, two] = backends;
    const token = await one.lead(seat);
    const waiting = two.one(
      'select status, (lease).is_ended, (lease).beat from lockd.attempt($1, 10000, 60000, gen_random_uuid(), array[0], 0)',
      [seat],
    );
    await until(async () => (await waiters(one, seat)) === 1);
    await one.beat(seat, token);
    await one.release(seat, token);
    expect(await waiting).toEqual({ status: 'granted', is_ended: true, beat: '1' });
  });

  test('leaves no wait behind that would bound other statements of its session', async () => {
    const { seat, backends } = await lockd.setup(1);
    const [one] = backends;
    await one.attempt(seat, 77);
    expect(await one.one('show lock_timeout')).toEqual({ lock_timeout: '0' });
    expect(await one.one('show idle_session_timeout')).toEqual({ idle_session_timeout: '1min' });
  });

  test('says what pg_locks says, also when the grant lands between the timer and the error', async () => {
    const { seat, backends } = await lockd.setup(2);
    const [one, two] = backends;
    // Released by the holder's own server-side timer, aimed at the end of the other one's wait.
    const tally = { granted: 0, busy: 0 };
    const waitMs = 12;
    for (let round = 0; round < 120; round += 1) {
      await one.query('select pg_advisory_lock(lockd.class_key(lockd.seat_class()), $1)', [seat]);
      const aimed = waitMs - 2 + (round % 40) / 10;
      const [status] = await Promise.all([
        two.attempt(seat, waitMs),
        one.query(`select pg_sleep($2::float8 / 1000), pg_advisory_unlock(${seatLock}, $1)`, [
          seat,
          aimed,
        ]),
      ]);
      const isHeld = await two.holdsSeat(seat);
      expect(status).toBe(isHeld ? 'granted' : 'busy');
      tally[isHeld ? 'granted' : 'busy'] += 1;
      await two.query('select pg_advisory_unlock_all()');
    }
    expect(tally.granted).toBeGreaterThan(10);
    expect(tally.busy).toBeGreaterThan(10);
  });
});

describe('a beat', () => {
  test('counts up, and keeps the lease', async () => {
    const { seat, backends } = await lockd.setup(1);
    const [one] = backends;
    const token = await one.lead(seat);
    expect(await one.beat(seat, token)).toBe(1);
    expect(await one.beat(seat, token)).toBe(2);
    expect(await one.lease(seat)).toMatchObject({ token: String(token), beat: '2' });
  });

  test.each<
    [string, (one: Backend, two: Backend, seat: number, token: bigint) => Promise<unknown>]
  >([
    ['by another session', (_, two, seat, token) => two.beat(seat, token)],
    ['under another token', (one, _, seat, token) => one.beat(seat, token - 1n)],
    [
      'after the term has ended',
      async (one, two, seat, token) => {
        await two.testify(seat, token);
        return one.beat(seat, token);
      },
    ],
    [
      'without the seat',
      async (one, _, seat, token) => {
        await one.query('select pg_advisory_unlock_all()');
        return one.beat(seat, token);
      },
    ],
    [
      'behind a pooler that changed the backend',
      async (one, two, seat, token) => {
        const { beat } = await one.one('select lockd.beat($1, $2, $3) as beat', [
          seat,
          token,
          await two.pid,
        ]);
        return beat ?? undefined;
      },
    ],
  ])('%s is none', async (_, beat) => {
    const { seat, backends } = await lockd.setup(2);
    const [one, two] = backends;
    const token = await one.lead(seat);
    expect(await beat(one, two, seat, token)).toBeUndefined();
    expect(await one.lease(seat)).toMatchObject({ beat: '0' });
  });

  test('is told to nobody: a commit with a notice waits for those of the whole server', async () => {
    const { seat, backends } = await lockd.setup(2);
    const [one, two] = backends;
    const token = await one.lead(seat);
    const { channel } = await one.one('select lockd.channel($1) as channel', [seat]);
    await two.query(`listen ${channel}`);
    for (let count = 0; count < 10; count += 1) await one.beat(seat, token);
    await one.query('select lockd.tell($1, $2, $3, null)', [seat, 'ended', token]);
    await until(() => two.notifications.length > 0);
    expect(two.notifications.map(({ payload }) => payload['kind'])).toEqual(['ended']);
  });

  test('rewrites its row inside the page: there is nothing for vacuum to do', async () => {
    const { seat, backends } = await lockd.setup(1);
    const [one] = backends;
    const token = await one.lead(seat);
    const stats = async () => {
      await one.query('select pg_stat_force_next_flush()').catch(() => {}); // not before 15
      const { updates, hot } = await one.one(
        `select n_tup_upd::int as updates, n_tup_hot_upd::int as hot
         from pg_stat_user_tables where relid = 'lockd.lease'::regclass`,
      );
      return { updates: updates as number, hot: hot as number };
    };
    const before = await stats();
    for (let count = 0; count < 300; count += 1) await one.beat(seat, token);
    const after = await until(async () => {
      const now = await stats();
      return now.updates - before.updates >= 300 ? now : undefined;
    });
    // Almost: a page that somebody looks at in this moment cannot be tidied.
    expect(after.hot - before.hot).toBeGreaterThan(0.95 * (after.updates - before.updates));
  });
});
