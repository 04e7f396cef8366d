import { expect, test } from 'vitest';
import { assertFence } from '../../src/index.ts';
import { query } from '../support/database.ts';
import { type Contender, holdElection } from '../support/election.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';
import {
  checkThenWrite,
  createLedger,
  fenced,
  type Guard,
  type Isolation,
  openTransaction,
  write,
} from '../support/writers.ts';

const levels = ['read committed', 'repeatable read', 'serializable'] as const;

for (const isolation of levels) {
  test(`sixteen fenced writers in ${isolation} commit nothing stale, and starve no takeover`, async () => {
    const { stale, committed, slowestMs } = await contend({ isolation, guard: fenced, terms: 25 });
    expect(stale).toBe(0);
    expect(committed).toBeGreaterThan(50);
    expect(slowestMs).toBeLessThan(3_000);
  });

  test(`a transaction in ${isolation} that began before a takeover cannot pass the fence after it`, async () => {
    await using election = await holdElection();
    const old = await election.lead('old');
    const { term } = old.controller;
    if (term === undefined) throw new Error('does not lead');
    await using transaction = await openTransaction(election.url, isolation);
    await transaction.query('select'); // from here on the snapshot is old
    const next = await election.standBy('next');
    await old.controller.stop();
    await next.story.next('active');
    const error = await assertFence(transaction, term).catch((it) => it);
    const isStale = error.code === 'LOCKD_STALE_TOKEN' || error.cause?.code === '40001';
    expect(isStale, String(error)).toBe(true);
  });
}

test('looking before writing commits stale rows: what the fence is for', async () => {
  // A control: it shows that the test above would have seen one.
  const options = { isolation: 'read committed', guard: checkThenWrite, terms: 60 } as const;
  expect((await contend(options)).stale).toBeGreaterThan(0);
});

test('an open fenced transaction holds a takeover up, is named in a warning, and let finish', async () => {
  await using election = await holdElection();
  const old = await election.lead('old');
  const next = await election.standBy('next');
  const { term } = old.controller;
  if (term === undefined) throw new Error('does not lead');
  await using transaction = await openTransaction(election.url);
  await assertFence(transaction, term);
  await election.beats(8); // more than a TTL: it does not hold up the beats
  expect(term.isActive()).toBe(true);
  void old.controller.stop();
  await next.story.next('warning');
  expect(next.story.logged('held up by fenced transactions')[0]).toMatchObject({
    blockers: [transaction.pid],
  });
  expect(next.story.of('active')).toEqual([]);
  await transaction.query('commit');
  await next.story.next('active');
});

test('with `fenceBlockers: terminate` a transaction that holds a takeover up is ended', async () => {
  await using election = await holdElection({ fenceBlockers: 'terminate' });
  const old = await election.lead('old');
  const next = await election.standBy('next');
  const { term } = old.controller;
  if (term === undefined) throw new Error('does not lead');
  await using transaction = await openTransaction(election.url);
  await assertFence(transaction, term);
  void old.controller.stop();
  await next.story.next('active');
  expect(next.story.logged('held up by fenced transactions')).not.toEqual([]);
  await expect(transaction.query('commit')).rejects.toThrow();
});

test('without the right to terminate, whoever holds a takeover up is named and waited for', async () => {
  await using election = await holdElection();
  const old = await election.lead('old');
  const { term } = old.controller;
  if (term === undefined) throw new Error('does not lead');
  const role = `role_${election.database}`;
  const address = new URL(election.url);
  address.username = role;
  address.password = 'secret';
  await query(
    election.url,
    `create role ${role} login password 'secret';
     grant usage on schema lockd to ${role};
     grant all on all tables in schema lockd to ${role};
     grant all on all sequences in schema lockd to ${role};
     grant execute on all functions in schema lockd to ${role}`,
  );
  try {
    const next = await election.standBy('next', {
      connectionString: address.href,
      fenceBlockers: 'terminate',
    });
    const { seat } = await election.bothBackends('next');
    const warnings: unknown[] = [];
    next.controller.on('warning', (warning) => warnings.push(warning));
    await using transaction = await openTransaction(election.url);
    await assertFence(transaction, term);
    void old.controller.stop();
    await until(() => next.story.logged('may not end').length > 1); // told, and tried again
    expect(warnings).toContainEqual(
      expect.objectContaining({
        code: 'LOCKD_FENCE_BLOCKED',
        message: expect.stringMatching(new RegExp(`${transaction.pid}.*pg_signal_backend`)),
      }),
    );
    expect(await election.seatHolders()).toEqual([{ pid: seat }]); // the same session all along
    await transaction.query('commit');
    await next.story.next('active');
  } finally {
    await Promise.all(election.contenders.map(({ controller }) => controller.stop()));
    await query(election.url, `drop owned by ${role}; drop role ${role}`);
  }
});

test('the fence refuses what it cannot know', async () => {
  await using election = await holdElection();
  const { controller } = await election.lead('leader');
  const { token } = controller.term ?? { token: 0n };
  const name = election.name;
  for (const [term, code] of [
    [{ name, token: token - 1n }, 'LOCKD_STALE_TOKEN'],
    [{ name, token: token + 1n }, 'LOCKD_STALE_TOKEN'],
    [{ name: 'unheard of', token }, 'LOCKD_UNKNOWN_NAME'],
  ] as const) {
    await using transaction = await openTransaction(election.url);
    await expect(assertFence(transaction, term)).rejects.toMatchObject({ code });
  }
  await using transaction = await openTransaction(election.url);
  await assertFence(transaction, { name, token });
});

/** Sixteen writers write under the latest token they heard of while leadership changes hands. */
async function contend({
  isolation,
  guard,
  terms,
}: {
  isolation: Isolation;
  guard: Guard;
  terms: number;
}): Promise<{ stale: number; committed: number; slowestMs: number }> {
  await using election = await holdElection({ ttlMs: 10_000, firstWaitMs: 5, maxWaitMs: 500 });
  const { url } = election;
  await createLedger(url);
  const contenders = ['a', 'b'].map((label) => election.enter(label));
  const nextTerm = () =>
    new Promise<bigint>((resolve) => {
      for (const { controller } of contenders) controller.once('active', (it) => resolve(it.token));
    });
  const first = nextTerm();
  await Promise.all(contenders.map(({ controller }) => controller.start()));
  let token = await first;
  const done = new AbortController();
  const term = () => ({ name: election.name, token });
  const writers = Array.from({ length: 16 }, (_, writer) =>
    write(url, writer, { isolation, guard, term, signal: done.signal }),
  );
  const older = `select count(*)::int as count from ledger where token < $1`;
  const seen: { token: bigint; count: unknown }[] = [];
  let slowestMs = 0;
  try {
    for (let round = 0; round < terms; round += 1) {
      const taken = nextTerm();
      const leftAt = now();
      await leaderOf(contenders)?.controller.resign();
      const next = await taken;
      slowestMs = Math.max(slowestMs, now() - leftAt);
      // Counted after the takeover was committed: an older row that comes to light later is stale.
      const [row] = await query(url, older, [String(next)]);
      seen.push({ token: next, count: row?.['count'] });
      token = next;
    }
  } finally {
    done.abort();
  }
  const outcomes = await Promise.all(writers);
  let stale = 0;
  for (const { token: taken, count } of seen) {
    const [row] = await query(url, older, [String(taken)]);
    stale += Number(row?.['count']) - Number(count);
  }
  return { stale, committed: outcomes.reduce((sum, it) => sum + it.committed, 0), slowestMs };
}

const leaderOf = (contenders: readonly Contender[]): Contender | undefined =>
  contenders.find(({ controller }) => controller.isActive());
