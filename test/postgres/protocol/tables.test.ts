import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { until } from '../../support/wait.ts';
import { type Backend, useDatabase } from '../backends.ts';

const lockd = useDatabase();

const register = (backend: Backend, seat: number, who: string) =>
  backend.one(
    "select lockd.register($1, $2, 'label', 'host', 7, '1.0.0', $3, array[0], true, null, 0) as channel",
    [seat, who, JSON.stringify({ zone: 'b' })],
  );

const instances = async (backend: Backend, seat: number): Promise<unknown[]> => {
  const sql = 'select instance from lockd.instance where lock_id = $1 order by id';
  return (await backend.query(sql, [seat])).map(({ instance }) => instance);
};

describe('names', () => {
  test('enrolled by many at once are one, with one lease and one fence', async () => {
    const backends = await Promise.all(Array.from({ length: 8 }, lockd.connect));
    for (let round = 0; round < 10; round += 1) {
      const name = `crowded ${round}`;
      const seats = await Promise.all(
        backends.map((backend) => backend.one('select lockd.enroll($1) as seat', [name])),
      );
      expect(new Set(seats.map(({ seat }) => seat)).size).toBe(1);
      const [seat] = seats;
      for (const table of ['lease', 'fence']) {
        const sql = `select from lockd.${table} where lock_id = $1`;
        expect(await (backends[0] as Backend).query(sql, [seat?.['seat']])).toHaveLength(1);
      }
    }
  });

  test.each([
    ['SQL', "'; drop table lockd.lock; --"],
    ['quotes and marks', '"quoted" \\ $1 $$ %s %I {}'],
    ['no ASCII', 'Ω 😀 \u202e'],
    ['as long as can be', '😀'.repeat(200)],
  ])('are data, whatever they look like: %s', async (_, name) => {
    const one = await lockd.connect();
    const { seat } = await one.one('select lockd.enroll($1) as seat', [name]);
    const token = await one.lead(seat as number, { label: name });
    await one.query('select lockd.fence($1, $2)', [name, token]);
    await one.release(seat as number, token, name);
    expect(await one.lease(seat as number)).toMatchObject({ label: name, ended_reason: name });
    expect(await one.one('select name from lockd.lock where id = $1', [seat])).toEqual({ name });
  });

  test.each([
    ['empty', ''],
    ['too long', 'x'.repeat(201)],
    ['of two lines', 'line\nbreak'],
    ['with a control character', 'bell\u0007'],
  ])('that the client would refuse are refused by the table, too: %s', async (_, name) => {
    const one = await lockd.connect();
    await expect(one.query('select lockd.enroll($1)', [name])).rejects.toMatchObject({
      code: '23514',
    });
  });

  test.each([
    'delete from lockd.lock',
    'delete from lockd.lock where id = (select min(id) from lockd.lock)',
    'truncate lockd.lock cascade',
  ])('stay: "%s" is refused, or an id would come back as another name', async (sql) => {
    const { name, backends } = await lockd.setup(1);
    const [one] = backends;
    await expect(one.query(sql)).rejects.toThrow('rows of lockd.lock are never deleted');
    expect(await one.query('select from lockd.lock where name = $1', [name])).toHaveLength(1);
  });
});

test.each([
  [1, 1],
  [2147483647, 2147483647],
  [2147483648, -2147483648],
  [4294967295, -1],
])(
  'a lock class keeps all its bits: oid %i is key %i, and pg_locks shows the oid',
  async (oid, key) => {
    const one = await lockd.connect();
    expect(await one.one('select lockd.class_key($1::oid) as key', [oid])).toEqual({ key });
    await one.query('select pg_advisory_lock($1, 99)', [key]);
    const held = await one.query(
      'select object, pid from lockd.advisory_locks($1::oid) where is_granted',
      [oid],
    );
    expect(held).toEqual([{ object: '99', pid: await one.pid }]);
  },
);

test('advisory locks of others, of one key or of another class, are not ours', async () => {
  const { seat, backends } = await lockd.setup(2);
  const [one, two] = backends;
  const key = '(lockd.class_key(lockd.seat_class())::bigint << 32)';
  await two.query(`select pg_advisory_lock(${key} | $1)`, [seat]);
  await two.query('select pg_advisory_lock(lockd.class_key(lockd.presence_class()), $1)', [seat]);
  expect(await two.holdsSeat(seat)).toBe(false);
  expect(await one.attempt(seat)).toBe('granted');
});

describe('an instance', () => {
  test('that registers is visible with its presence, and hears its channel', async () => {
    const { seat, backends } = await lockd.setup(2);
    const [one, two] = backends;
    const who = randomUUID();
    const { channel } = await register(one, seat, who);
    const row = await two.one(
      `select i.*, exists (select from lockd.advisory_locks(lockd.presence_class()) l
         where l.object = i.id and l.is_granted) as is_present
       from lockd.instance i where instance = $1`,
      [who],
    );
    expect(row).toMatchObject({
      lock_id: seat,
      host: 'host',
      pid: 7,
      version: '1.0.0',
      metadata: { zone: 'b' },
      is_present: true,
    });
    expect((await two.one('select lockd.channel($1) as channel', [seat]))['channel']).toBe(channel);
  });

  test('whose session is gone is pruned by the next one, and nobody else is', async () => {
    const { seat, backends } = await lockd.setup(3);
    const [one, two, three] = backends;
    const other = await lockd.setup(1);
    const [dead, alive, next, elsewhere] = Array.from({ length: 4 }, () => randomUUID());
    await register(one, seat, dead as string);
    await register(two, seat, alive as string);
    await register(other.backends[0], other.seat, elsewhere as string);
    const pid = await one.pid;
    await one.end();
    await until(async () => {
      const sql = 'select from pg_stat_activity where pid = $1';
      return (await two.query(sql, [pid])).length === 0;
    });
    expect(await instances(two, seat)).toEqual([dead, alive]);
    await register(three, seat, next as string);
    expect(await instances(two, seat)).toEqual([alive, next]);
    expect(await instances(two, other.seat)).toEqual([elsewhere]);
  });

  test('that registers again, its old session not yet gone, is there once', async () => {
    const { seat, backends } = await lockd.setup(2);
    const [one, two] = backends;
    const who = randomUUID();
    await register(one, seat, who);
    await register(two, seat, who);
    expect(await instances(one, seat)).toEqual([who]);
  });

  test("many at once register without getting in one another's way", async () => {
    const { seat } = await lockd.setup(1);
    const backends = await Promise.all(Array.from({ length: 10 }, lockd.connect));
    await Promise.all(backends.map((backend) => register(backend, seat, randomUUID())));
    expect(await instances(backends[0] as Backend, seat)).toHaveLength(10);
  });

  test.each<[string, (backend: Backend, seat: number) => Promise<unknown>]>([
    ['registration', (one, seat) => register(one, seat, randomUUID())],
    ['release', async (one, seat) => one.release(seat, await one.lead(seat))],
  ])(
    'with each %s history is kept to its bound: the newest thousand, of its name only',
    async (_, act) => {
      const { seat, backends } = await lockd.setup(1);
      const other = await lockd.setup(1);
      const [one] = backends;
      await other.backends[0].lead(other.seat);
      await one.query(
        `insert into lockd.term (lock_id, token, instance, label, started_at, ended_at)
       select $1, token, gen_random_uuid(), 'old', now(), now() from generate_series(1, 1500) token`,
        [seat],
      );
      await act(one, seat);
      const kept = async (of: number) =>
        one.one(
          'select count(*)::int as count, min(token)::float8 as oldest from lockd.term where lock_id = $1',
          [of],
        );
      const { count, oldest } = await kept(seat);
      expect(count).toBe(1000);
      expect(oldest).toBeGreaterThan(500);
      expect(await kept(other.seat)).toMatchObject({ count: 1 });
    },
  );
});
