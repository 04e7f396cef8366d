import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { assertFence, type Queryable } from '../../src/postgres/fence.ts';
import { until } from '../support/wait.ts';
import { type Backend, useDatabase } from './backends.ts';

const lockd = useDatabase();

const levels = ['read committed', 'repeatable read', 'serializable'] as const;

const sqlStateOf = (error: unknown): unknown =>
  ((error as { cause?: unknown }).cause as { code?: unknown } | undefined)?.code;

/** As another library's client may be, or an older `pg`. */
const queryOnly = (client: pg.Client): Queryable => ({
  query: (text, values) => client.query(text, values),
});

/** One leads under a token, and a transaction of its work has begun. */
async function leading(isolation: string) {
  const { seat, name, backends } = await lockd.setup(3);
  const [one, two, work] = backends;
  const token = await one.lead(seat);
  await work.query(`begin isolation level ${isolation}`);
  const succeed = async (): Promise<bigint> => {
    await one.release(seat, token);
    return two.lead(seat);
  };
  return { seat, name, one, two, work, token, succeed };
}

describe.each(levels)('in %s', (isolation) => {
  test('a fenced transaction of the current term commits', async () => {
    const { name, work, token } = await leading(isolation);
    await assertFence(work.client, { name, token });
    await work.query('commit');
  });

  test('an old token is refused with LOCKD_STALE_TOKEN', async () => {
    const { name, work, token, succeed } = await leading(isolation);
    const current = await succeed();
    const error = await assertFence(work.client, { name, token }).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'LOCKD_STALE_TOKEN', isRetryable: false });
    expect(error.message).toContain(`the current one is ${current}`);
    expect(sqlStateOf(error)).toBe('LKD01');
    await expect(work.query('select')).rejects.toMatchObject({ code: '25P02' });
  });

  test('a snapshot from before the takeover does not see the old token as current', async () => {
    const { name, work, token, succeed } = await leading(isolation);
    await work.query('select count(*) from lockd.fence'); // the snapshot is taken here
    await succeed();
    const error = await assertFence(work.client, { name, token }).catch((thrown) => thrown);
    if (isolation === 'read committed') {
      expect([error.code, sqlStateOf(error)]).toEqual(['LOCKD_STALE_TOKEN', 'LKD01']);
    } else {
      // Not that it is stale: that, this snapshot cannot know. A new one knows.
      expect([error.code, sqlStateOf(error)]).toEqual(['LOCKD_SERIALIZATION', '40001']);
      expect(error).toMatchObject({ isRetryable: true });
      expect(error.message).toContain('begin again');
    }
    await work.query(`rollback; begin isolation level ${isolation}`);
    const again = assertFence(work.client, { name, token });
    await expect(again).rejects.toMatchObject({ code: 'LOCKD_STALE_TOKEN', isRetryable: false });
  });

  test('a current token is never called stale, though its term began after the snapshot', async () => {
    const { name, work, succeed } = await leading(isolation);
    await work.query('select count(*) from lockd.fence'); // the snapshot is taken here
    const token = await succeed();
    const fenced = assertFence(work.client, { name, token });
    if (isolation === 'read committed') {
      await fenced;
      return;
    }
    await expect(fenced).rejects.toMatchObject({ code: 'LOCKD_SERIALIZATION' });
    await work.query(`rollback; begin isolation level ${isolation}`);
    await assertFence(work.client, { name, token });
  });

  test.each([
    ['which knows its transaction', (client: pg.Client): Queryable => client],
    ['of which nothing is known but `query`', queryOnly],
  ])('outside a transaction a client %s is refused, inside it is not', async (_, as) => {
    const { name, work, token } = await leading(isolation);
    await assertFence(as(work.client), { name, token });
    await work.query('commit');
    const bare = assertFence(as(work.client), { name, token });
    await expect(bare).rejects.toMatchObject({
      code: 'LOCKD_NO_TRANSACTION',
      message: expect.stringContaining('`begin`'),
    });
    // Sent behind a `begin` that has not been answered yet, and in the next transaction.
    const begun = work.query(`begin isolation level ${isolation}`);
    await assertFence(as(work.client), { name, token });
    await begun;
    await work.query('savepoint later');
    await assertFence(as(work.client), { name, token });
  });

  test('a takeover waits for a fenced transaction, so no write of an old term can follow it', async () => {
    const { seat, name, one, two, work, token } = await leading(isolation);
    await assertFence(work.client, { name, token });
    await one.release(seat, token);
    await two.attempt(seat);
    expect(await two.takeover(seat, { waitMs: 30 })).toMatchObject({ status: 'blocked' });
    await work.query('rollback');
    expect(await two.takeover(seat)).toMatchObject({ status: 'taken' });
  });

  test('a transaction that waited behind a takeover is refused after it', async () => {
    const { seat, name, one, two, work, token } = await leading(isolation);
    await one.release(seat, token);
    await two.attempt(seat);
    await two.query('begin');
    await two.takeover(seat);
    const refused = assertFence(work.client, { name, token }).catch((thrown) => thrown);
    await until(async () => {
      const rows = await one.query(
        `select from lockd.advisory_locks(lockd.fence_class())
         where object = $1 and not is_granted`,
        [seat],
      );
      return rows.length === 1;
    });
    await two.query('commit');
    expect(['LKD01', '40001']).toContain(sqlStateOf(await refused));
  });

  test('a name nobody ever led is refused with LOCKD_UNKNOWN_NAME', async () => {
    const { work, token } = await leading(isolation);
    const error = await assertFence(work.client, { name: 'nobody', token }).catch((e) => e);
    expect(error).toMatchObject({ code: 'LOCKD_UNKNOWN_NAME' });
    expect(error.message).toContain('nobody has ever led "nobody"');
    expect(sqlStateOf(error)).toBe('LKD02');
  });
});

test.each([
  ['a token of the future', (token: bigint) => token + 1n],
  ['token 0', () => 0n],
])('%s is as good as an old one', async (_, change) => {
  const { name, work, token } = await leading('read committed');
  const fenced = assertFence(work.client, { name, token: change(token) });
  await expect(fenced).rejects.toMatchObject({ code: 'LOCKD_STALE_TOKEN' });
});

test('a transaction that collides with another one is told to begin again, not that it is stale', async () => {
  const { name, work, one, token } = await leading('serializable');
  const table = `"${name} written"`;
  await one.query(`create table ${table} (which text)`);
  // Each reads what the other one writes; the other one commits first.
  await one.query('begin isolation level serializable');
  for (const [backend, which] of [
    [work, 'work'],
    [one, 'one'],
  ] as const) {
    await backend.query(`select from ${table}`);
    await backend.query(`insert into ${table} values ($1)`, [which]);
  }
  await one.query('commit');
  const error = await assertFence(work.client, { name, token }).catch((thrown) => thrown);
  expect([error.code, sqlStateOf(error)]).toEqual(['LOCKD_SERIALIZATION', '40001']);
  expect(error).toMatchObject({ isRetryable: true });
  await work.query('rollback; begin isolation level serializable');
  await assertFence(work.client, { name, token });
});

test('where there is no term there is nothing to fence: nothing is asked', async () => {
  const client = { query: () => Promise.reject(new Error('must not be asked')) };
  await expect(assertFence(client, undefined)).rejects.toMatchObject({
    code: 'LOCKD_STALE_TOKEN',
    message: expect.stringContaining('does not lead'),
  });
});

test('a pool is refused: what follows may go to another client', async () => {
  const { name, token } = await leading('read committed');
  const pool = new pg.Pool({ connectionString: lockd.url });
  try {
    await expect(assertFence(pool, { name, token })).rejects.toMatchObject({
      code: 'LOCKD_NO_TRANSACTION',
      message: expect.stringContaining('pool'),
    });
    expect(pool.totalCount).toBe(0); // nothing was asked
    const client = await pool.connect();
    await client.query('begin');
    await assertFence(client, { name, token });
    await client.query('rollback');
    client.release();
  } finally {
    await pool.end();
  }
});

test('the fence stays up after the term has ended: nobody else has written yet', async () => {
  const { seat, name, one, work, token } = await leading('read committed');
  await one.release(seat, token);
  await assertFence(work.client, { name, token });
});

test('the fence is not fooled by the search path of the transaction it runs in', async () => {
  const { name, work, token } = await leading('read committed');
  await work.query(`
    create schema trap;
    create function trap.pg_advisory_xact_lock_shared(integer, integer) returns void
      language sql as 'select';
    set local search_path = trap, pg_catalog`);
  await assertFence(work.client, { name, token });
  const gate = await work.query(
    "select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid() and granted",
  );
  expect(gate).toHaveLength(1);
  await work.query('rollback');
});

test('fenced writes that race with takeovers are never stale', async () => {
  const { seat, name, backends } = await lockd.setup(2);
  const [one, two] = backends;
  await one.query('create table written (at bigserial, token bigint)');
  const writers = await Promise.all(Array.from({ length: 4 }, lockd.connect));
  let token = await one.lead(seat);
  let isOver = false;
  const write = async (backend: Backend): Promise<number> => {
    let written = 0;
    for (let held = token; !isOver; ) {
      await backend.query('begin');
      try {
        await assertFence(backend.client, { name, token: held });
        await backend.query('insert into written (token) values ($1)', [held]);
        await backend.query('commit');
        written += 1;
      } catch {
        await backend.query('rollback');
        held = token;
      }
    }
    return written;
  };
  const writing = writers.map(write);
  for (let term = 0; term < 25; term += 1) {
    const [old, next] = term % 2 === 0 ? [one, two] : [two, one];
    await old.release(seat, token);
    token = await next.lead(seat, { waitMs: 5_000 });
  }
  isOver = true;
  const written = await Promise.all(writing);
  expect(Math.min(...written)).toBeGreaterThan(0);
  const stale = await one.query(
    'select w.token from (select token, max(token) over (order by at) as newest from written) w where w.token < w.newest',
  );
  expect(stale).toEqual([]);
});
