import { describe, expect, test } from 'vitest';
import { until } from '../../support/wait.ts';
import { useDatabase } from '../backends.ts';

const lockd = useDatabase();

describe('a release', () => {
  test('marks the term ended, in the lease and in the history, and frees the seat', async () => {
    const { seat, backends } = await lockd.setup(1);
    const [one] = backends;
    const token = await one.lead(seat);
    expect(await one.release(seat, token, 'resigned')).toBe(true);
    expect(await one.holdsSeat(seat)).toBe(false);
    expect(await one.lease(seat)).toMatchObject({ ended_by: 'release', ended_reason: 'resigned' });
    const terms = await one.query('select ended_by, reason from lockd.term where lock_id = $1', [
      seat,
    ]);
    expect(terms).toEqual([{ ended_by: 'release', reason: 'resigned' }]);
    expect(one.warnings).toEqual([]);
  });

  test('commits the mark before the seat is free: no winner ever reads a lease that runs', async () => {
    const { seat, backends } = await lockd.setup(3);
    const [one, two] = backends;
    for (let round = 0; round < 150; round += 1) {
      const token = await one.lead(seat);
      const waiting = two.one(
        'select status, (lease).is_ended, (lease).token from lockd.attempt($1, 10000, 60000, gen_random_uuid(), array[0], 0)',
        [seat],
      );
      await one.release(seat, token);
      const answer = await waiting;
      expect(answer).toEqual({ status: 'granted', is_ended: true, token: String(token) });
      await two.query('select pg_advisory_unlock_all()');
    }
  });

  test('is told after the seat is free: whoever hears of it can have it', async () => {
    const { seat, backends } = await lockd.setup(2);
    const [one, two] = backends;
    await two.listen(seat);
    for (let round = 0; round < 30; round += 1) {
      const token = await one.lead(seat);
      const grabbed = new Promise<string>((resolve, reject) => {
        two.client.on('notification', function hear({ payload }) {
          if (JSON.parse(payload ?? '').kind !== 'released') return;
          two.client.off('notification', hear);
          two.attempt(seat, 1).then(resolve, reject);
        });
      });
      await one.release(seat, token, 'stopped');
      expect(await grabbed).toBe('granted');
      await two.query('select pg_advisory_unlock_all()');
    }
    const told = two.notifications.filter(({ payload }) => payload['kind'] === 'released');
    expect(told).toHaveLength(30);
    expect(told[0]?.payload).toMatchObject({ reason: 'stopped' });
  });

  test('of a term that is not the current one marks nothing, but frees the seat', async () => {
    const { seat, backends } = await lockd.setup(1);
    const [one] = backends;
    const token = await one.lead(seat);
    expect(await one.release(seat, token - 1n)).toBe(false);
    expect(await one.lease(seat)).toMatchObject({ ended_at: null });
    expect(await one.holdsSeat(seat)).toBe(false);
  });

  test('of a seat that is held no more warns: only a clean yes counts', async () => {
    const { seat, backends } = await lockd.setup(1);
    const [one] = backends;
    const token = await one.lead(seat);
    await one.query('select pg_advisory_unlock_all()');
    await one.release(seat, token);
    expect(one.warnings.join()).toContain("you don't own a lock");
  });
});

describe('a testimony', () => {
  test.each(['confession', 'testimony'])('(%s) ends the term, and tells', async (by) => {
    const { seat, backends } = await lockd.setup(2);
    const [one, two] = backends;
    const token = await one.lead(seat);
    await one.listen(seat);
    expect(await two.testify(seat, token, by)).toBe(true);
    expect(await two.lease(seat)).toMatchObject({ ended_by: by, ended_reason: 'lost' });
    await until(() => one.notifications.length > 0);
    expect(one.notifications.map(({ payload }) => payload)).toEqual([
      { kind: 'ended', token: String(token), reason: 'lost' },
    ]);
  });

  test('can be given twice: the first one stays, and is told once', async () => {
    const { seat, backends } = await lockd.setup(2);
    const [one, two] = backends;
    const token = await one.lead(seat);
    await one.listen(seat);
    await two.testify(seat, token, 'testimony');
    const first = await two.lease(seat);
    expect(await two.testify(seat, token, 'confession')).toBe(true);
    expect(await two.lease(seat)).toEqual(first);
    await one.query('select');
    expect(one.notifications).toHaveLength(1);
  });

  test('of a term long past says that it is over, and touches no later one', async () => {
    const { seat, backends } = await lockd.setup(2);
    const [one, two] = backends;
    const old = await one.lead(seat);
    await one.release(seat, old);
    await one.lead(seat);
    const before = await one.lease(seat);
    expect(await two.testify(seat, old)).toBe(true);
    expect(await one.lease(seat)).toEqual(before);
  });

  test('needs no seat, and does not free it', async () => {
    const { seat, backends } = await lockd.setup(2);
    const [one, two] = backends;
    const token = await one.lead(seat);
    await two.testify(seat, token);
    expect(await one.holdsSeat(seat)).toBe(true);
    expect(await one.beat(seat, token)).toBeUndefined();
  });

  test('is by nobody else than those who can know', async () => {
    const { seat, backends } = await lockd.setup(1);
    const [one] = backends;
    const token = await one.lead(seat);
    await expect(one.testify(seat, token, 'hearsay')).rejects.toMatchObject({ code: '23514' });
    expect(await one.lease(seat)).toMatchObject({ ended_at: null });
  });
});
