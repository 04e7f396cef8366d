import { describe, expect, test } from 'vitest';
import { until } from '../../support/wait.ts';
import { type Backend, type Bid, useDatabase } from '../backends.ts';

const lockd = useDatabase();

const who = '11111111-2222-4333-8444-555555555555';

describe('a takeover', () => {
  test('writes the whole lease, begins a term of the history, and tells', async () => {
    const { seat, backends } = await lockd.setup(2);
    const [one, two] = backends;
    await two.listen(seat);
    await one.attempt(seat);
    const { status, token } = await one.takeover(seat, { who, label: 'host:1', ttlMs: 7_000 });
    expect(status).toBe('taken');
    const lease = await one.lease(seat);
    expect(lease).toMatchObject({
      token: String(token),
      beat: '0',
      ttl_ms: 7_000,
      heartbeat_ms: 2_000,
      instance: who,
      label: 'host:1',
      ended_at: null,
    });
    expect(lease['timeline']).toMatch(/^[0-9A-F]{8}$/);
    expect(lease['system_identifier']).toMatch(/^\d+$/);
    const terms = await one.query('select * from lockd.term where lock_id = $1', [seat]);
    expect(terms).toMatchObject([{ token: String(token), instance: who, gap_ms: null }]);
    await until(() => two.notifications.length > 0);
    expect(two.notifications[0]?.payload).toEqual({
      kind: 'taken',
      token: String(token),
      reason: null,
    });
  });

  test('can be rehearsed: a succession to nobody’s seat writes nothing', async () => {
    const { seat, backends } = await lockd.setup(1);
    const [one] = backends;
    await one.lead(seat);
    const rehearsal = 'select lockd.succeed(0, 0, 0, false, 0, null, null, 0, 0) as token';
    const before = await one.lease(seat);
    await one.query('begin');
    expect(await one.one(rehearsal)).toEqual({ token: null });
    const written = await one.one('select pg_current_xact_id_if_assigned() as written');
    await one.query('commit');
    expect(written).toEqual({ written: null });
    expect(await one.lease(seat)).toEqual(before);
  });

  test('lets the server end the session, and so free the seat, a TTL after its last beat', async () => {
    const { seat, backends } = await lockd.setup(1);
    const [one] = backends;
    await one.lead(seat, { ttlMs: 7_000 });
    expect(await one.one('show idle_session_timeout')).toEqual({ idle_session_timeout: '7s' });
  });

  test.each<[string, Bid]>([
    ['another token', { token: 1n }],
    ['another beat', { beat: 7 }],
    ['a term that had ended', { ended: true }],
  ])('based on %s changes nothing', async (_, bid) => {
    const { seat, backends } = await lockd.setup(2);
    const [one, two] = backends;
    const token = await one.lead(seat);
    await one.query('select pg_advisory_unlock_all()');
    await two.attempt(seat);
    const before = await two.lease(seat);
    expect(await two.takeover(seat, bid)).toMatchObject({ status: 'changed', token: undefined });
    expect(await two.lease(seat)).toEqual(before);
    const { token: fence } = await two.one('select token from lockd.fence where lock_id = $1', [
      seat,
    ]);
    expect(fence).toBe(String(token));
  });

  test('based on a running term changes nothing once that term is marked ended', async () => {
    const { seat, backends } = await lockd.setup(2);
    const [one, two] = backends;
    const token = await one.lead(seat);
    await one.query('select pg_advisory_unlock_all()');
    await two.attempt(seat);
    await one.testify(seat, token);
    expect(await two.takeover(seat, { ended: false })).toMatchObject({ status: 'changed' });
  });

  test('without the seat, or by another backend than it believes, is refused', async () => {
    const { seat, backends } = await lockd.setup(2);
    const [one, two] = backends;
    expect(await one.takeover(seat)).toMatchObject({ status: 'unseated' });
    await one.attempt(seat);
    expect(await two.takeover(seat)).toMatchObject({ status: 'unseated' });
    const backend = await two.pid;
    expect(await one.takeover(seat, { backend })).toMatchObject({ status: 'unseated' });
    expect(await one.lease(seat)).toMatchObject({ token: '0' });
  });

  test('ends the old term in the history, and says how long nobody led', async () => {
    const { seat, backends } = await lockd.setup(2);
    const [one, two] = backends;
    const first = await one.lead(seat);
    await one.query('select pg_advisory_unlock_all()');
    const second = await two.lead(seat);
    await two.release(seat, second, 'stopped');
    const third = await one.lead(seat);
    const terms = await one.query(
      `select token, ended_by, reason, ended_at is null as is_open, gap_ms::int as gap_ms
       from lockd.term where lock_id = $1 order by token`,
      [seat],
    );
    expect(terms).toMatchObject([
      { token: String(first), ended_by: 'takeover', reason: 'fell silent', is_open: false },
      { token: String(second), ended_by: 'release', reason: 'stopped', is_open: false },
      { token: String(third), ended_by: null, reason: null, is_open: true },
    ]);
    for (const { gap_ms } of terms.slice(1)) {
      expect(gap_ms).toBeGreaterThanOrEqual(0);
      expect(gap_ms).toBeLessThan(20_000);
    }
  });
});

describe('a token', () => {
  /** Far beyond the clock, so that each source can be seen alone. */
  const far = 9_000_000_000_000_000n;
  const clock = async (backend: Backend): Promise<bigint> => {
    const sql = 'select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as ms';
    return BigInt((await backend.one(sql))['ms'] as string);
  };

  test('is the clock of the database in ms, where that is the highest', async () => {
    const { seat, backends } = await lockd.setup(1);
    const [one] = backends;
    const before = await clock(one);
    const token = await one.lead(seat);
    expect(token).toBeGreaterThanOrEqual(before);
    expect(token).toBeLessThanOrEqual(await clock(one));
  });

  test('is above the row, should the clock have gone back', async () => {
    const { seat, backends } = await lockd.setup(1);
    const [one] = backends;
    await one.query('update lockd.lease set token = $2, ended_at = now() where lock_id = $1', [
      seat,
      far,
    ]);
    expect(await one.lead(seat)).toBe(far + 1n);
  });

  test('is above the fence, should the lease have lost its last write', async () => {
    const { seat, backends } = await lockd.setup(1);
    const [one] = backends;
    await one.query('update lockd.fence set token = $2 where lock_id = $1', [seat, far]);
    expect(await one.lead(seat)).toBe(far + 1n);
  });

  test('is above every token its winner ever saw, should both have lost theirs', async () => {
    const { seat, backends } = await lockd.setup(1);
    expect(await backends[0].lead(seat, { highest: far })).toBe(far + 1n);
  });

  test('grows with each term, however fast they follow one another', async () => {
    const { seat, backends } = await lockd.setup(1);
    const [one] = backends;
    let last = 0n;
    for (let term = 0; term < 50; term += 1) {
      const token = await one.lead(seat);
      expect(token).toBeGreaterThan(last);
      last = token;
      await one.release(seat, token);
    }
  });
});

describe('fenced transactions', () => {
  test('hold a takeover up, which names them and leaves everything as it was', async () => {
    const { seat, name, backends } = await lockd.setup(3);
    const [one, two, fenced] = backends;
    const token = await one.lead(seat);
    await fenced.query('begin');
    await fenced.query('select lockd.fence($1, $2)', [name, token]);
    await one.release(seat, token);
    await two.attempt(seat);
    const before = await two.lease(seat);
    const answer = await two.takeover(seat, { waitMs: 60 });
    expect(answer).toEqual({ status: 'blocked', token: undefined, blockers: [await fenced.pid] });
    expect(await two.lease(seat)).toEqual(before);
    await fenced.query('commit');
    expect(await two.takeover(seat)).toMatchObject({ status: 'taken' });
  });

  test('that come later wait behind a takeover: it is not starved, and they are refused', async () => {
    const { seat, name, backends } = await lockd.setup(3);
    const [one, two, running] = backends;
    const late = await lockd.connect();
    const token = await one.lead(seat);
    await running.query('begin');
    await running.query('select lockd.fence($1, $2)', [name, token]);
    await one.release(seat, token);
    await two.attempt(seat);
    const taking = two.takeover(seat, { waitMs: 10_000 });
    const waiting = (mode: string) =>
      until(async () => {
        const rows = await one.query(
          `select from lockd.advisory_locks(lockd.fence_class())
           where object = $1 and mode = $2 and not is_granted`,
          [seat, mode],
        );
        return rows.length === 1;
      });
    await waiting('ExclusiveLock');
    const refused = expect(
      late.query('select lockd.fence($1, $2)', [name, token]),
    ).rejects.toMatchObject({ code: 'LKD01' });
    await waiting('ShareLock');
    await running.query('commit');
    expect(await taking).toMatchObject({ status: 'taken' });
    await refused;
  });

  test('are held up for a beat by nothing: their row is not the row of the heartbeat', async () => {
    const { seat, name, backends } = await lockd.setup(2);
    const [one, fenced] = backends;
    const token = await one.lead(seat);
    await fenced.query('begin');
    await fenced.query('select lockd.fence($1, $2)', [name, token]);
    expect(await one.beat(seat, token)).toBe(1);
    expect(await one.testify(seat, token)).toBe(true);
    await fenced.query('commit');
  });
});
