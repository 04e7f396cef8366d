import { describe, expect, test } from 'vitest';
import { assertFence } from '../../src/postgres/fence.ts';
import { until } from '../support/wait.ts';
import { type Backend, useDatabase } from './backends.ts';

const lockd = useDatabase();

const levels = ['read committed', 'repeatable read', 'serializable'] as const;

const sqlStateOf = (error: unknown): unknown =>
  ((error as { cause?: unknown }).cause as { code?: unknown } | undefined)?.code;

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
    const expected = isolation === 'read committed' ? 'LKD01' : '40001';
    expect(sqlStateOf(error)).toBe(expected);
    expect(error.code).toBe('LOCKD_STALE_TOKEN');
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
