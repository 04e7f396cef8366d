import { expect, test } from 'vitest';
import { query } from '../support/database.ts';
import { type Election, holdElection, terminate } from '../support/election.ts';
import { startProxy } from '../support/proxy.ts';
import { deferred, until } from '../support/wait.ts';

/** A lease that nobody can have waited for. */
const long = { ttlMs: 30_000 };

test('whoever may connect can forge a request to resign: it costs a handover, never two leaders', async () => {
  await using election = await holdElection(long);
  const old = await election.lead('old');
  await election.bothBackends('old'); // it listens
  const next = await election.standBy('next');
  await withStranger(election, async (tell) => {
    await tell('resign', old.controller.term?.token ?? 0n);
    expect(await old.story.next('passive')).toMatchObject({ reason: 'resigned' });
    await next.story.next('active');
  });
  expect(await election.terms()).toMatchObject([{ ended_by: 'release', reason: 'resigned' }, {}]);
});

test('a forged word that a leader has ended starts nobody: the lease decides', async () => {
  await using election = await holdElection(long);
  const old = await election.lead('old');
  const next = await election.standBy('next');
  await election.bothBackends('next');
  const token = old.controller.term?.token ?? 0n;
  const work = deferred();
  void old.controller.track(work.promise);
  const { seat } = await election.bothBackends('old');
  await terminate(election.url, seat);
  await until(() => next.story.logged('waits for the old lease').length > 0);
  await withStranger(election, async (tell) => {
    for (const kind of ['ended', 'released', 'taken', 'ended']) {
      const before = await lastAsked(election);
      await tell(kind, token);
      await until(async () => (await lastAsked(election)) > before);
    }
  });
  expect(next.story.of('active')).toEqual([]);
  work.resolve(); // and it confesses
  await next.story.next('active');
});

test('whoever notifies without end keeps nobody from leading: the lease decides', async () => {
  await using election = await holdElection({ ttlMs: 1_500 });
  const old = await election.lead('old');
  await using proxy = await startProxy(election.url);
  const next = await election.standBy('next', { connectionString: proxy.url() });
  const { seat } = await election.bothBackends('old');
  await election.bothBackends('next');
  const work = deferred();
  void old.controller.track(work.promise); // and so it does not confess
  // Many of them while one question is on its way.
  proxy.delay(20);
  await withStranger(election, async (tell) => {
    let isOver = false;
    const flood = Array.from({ length: 4 }, async () => {
      while (!isOver) await tell('released', 1n);
    });
    try {
      await terminate(election.url, seat);
      await next.story.next('active');
    } finally {
      isOver = true;
      work.resolve();
      await Promise.all(flood);
    }
  });
});

/** When whoever sits on the seat last asked the server something. */
async function lastAsked(election: Election): Promise<number> {
  const [holder] = await election.seatHolders();
  const [row] = await query<{ at: number }>(
    election.url,
    'select extract(epoch from query_start)::float8 as at from pg_stat_activity where pid = $1',
    [holder?.pid],
  );
  return row?.at ?? 0;
}

/** A role that may connect to the database, and nothing else. */
async function withStranger(
  election: Election,
  use: (tell: (kind: string, token: bigint) => Promise<unknown>) => Promise<void>,
): Promise<void> {
  const role = `stranger_${election.database}`;
  const address = new URL(election.url);
  address.username = role;
  address.password = 'secret';
  const [row] = await query<{ channel: string }>(
    election.url,
    'select lockd.channel(id) as channel from lockd.lock where name = $1',
    [election.name],
  );
  await query(election.url, `create role ${role} login password 'secret'`);
  try {
    await use((kind, token) =>
      query(address.href, 'select pg_notify($1, $2)', [
        row?.channel,
        JSON.stringify({ kind, token: String(token), reason: 'forged' }),
      ]),
    );
  } finally {
    await query(election.url, `drop role ${role}`);
  }
}
