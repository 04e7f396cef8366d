import { expect, test } from 'vitest';
import { startTestCluster } from '../support/cluster.ts';
import { query } from '../support/database.ts';
import { holdElection, terminate } from '../support/election.ts';
import { now } from '../support/story.ts';
import { deferred, until } from '../support/wait.ts';

/** A lease that nobody can have waited for within the bounds below. */
const long = { ttlMs: 20_000 };
const promptMs = 5_000;

for (const which of ['the seat session', 'both sessions'] as const) {
  test(`a leader that loses ${which} is replaced when its work has stopped, without a lease’s wait`, async () => {
    await using election = await holdElection(long);
    const old = await election.lead('old');
    const next = await election.standBy('next');
    const work = deferred();
    let isWorking = true;
    void old.controller.track(work.promise).then(() => {
      isWorking = false;
    });
    const { seat, control } = await election.bothBackends('old');
    const wasWorking: boolean[] = [];
    next.controller.on('active', () => wasWorking.push(isWorking));

    await terminate(election.url, seat, ...(which === 'both sessions' ? [control] : []));
    expect(await old.story.next('passive')).toMatchObject({ reason: 'session-lost' });
    expect(old.controller.isActive()).toBe(false);
    await until(() => next.story.logged('waits for the old lease').length > 0);
    expect(next.story.of('active')).toEqual([]);

    const drainedAt = now();
    work.resolve();
    const active = await next.story.next('active');
    expect(active.at - drainedAt).toBeLessThan(promptMs);
    expect(wasWorking).toEqual([false]);
    expect(await election.terms()).toMatchObject([
      { label: 'old', ended_by: 'confession', reason: 'session-lost' },
      { label: 'next', ended_by: null },
    ]);
    expect(old.story.of('passive')).toHaveLength(1); // pg reports a dead backend more than once
    await old.story.next('observed'); // and it campaigns again
  });
}

test('a leader that loses its control session leads on and registers again', async () => {
  await using election = await holdElection(long);
  const { controller, story } = await election.lead('leader');
  const { control } = await election.bothBackends('leader');
  await terminate(election.url, control);
  await until(async () => {
    const again = (await election.backends('leader')).control;
    return again !== null && again !== control;
  });
  expect(controller.isActive()).toBe(true);
  expect(story.of('passive')).toEqual([]);
});

test('a leader without rivals that loses its sessions leads again at once, in a new term', async () => {
  await using election = await holdElection(long);
  const { story } = await election.lead('leader');
  const { seat, control } = await election.bothBackends('leader');
  const lostAt = now();
  await terminate(election.url, seat, control);
  await story.next('passive');
  const again = await story.next('active');
  expect(again.at - lostAt).toBeLessThan(promptMs);
  expect(again.token).toBeGreaterThan(story.of('active')[0]?.token as bigint);
});

test('a standby that loses its sessions stands by again', async () => {
  await using election = await holdElection(long);
  const leader = await election.lead('leader');
  const standby = await election.standBy('standby');
  const { seat, control } = await election.bothBackends('standby');
  await terminate(election.url, seat, control);
  await standby.story.next('warning');
  await standby.story.next('attempt');
  await leader.controller.stop();
  await standby.story.next('active');
});

test('a leader whose backends the server froze gives up by its deadline; once they go on, somebody leads', async () => {
  await using cluster = await startTestCluster();
  await using election = await holdElection({ ttlMs: 1_500 }, cluster.url());
  const old = await election.lead('old');
  const next = await election.standBy('next');
  await election.beats(1);
  const { seat, control } = await election.bothBackends('old');
  const frozen = [seat, control];
  for (const pid of frozen) process.kill(pid, 'SIGSTOP');
  const frozenAt = now();
  try {
    const passive = await old.story.next('passive');
    expect(passive.reason).toBe('deadline-passed');
    expect(passive.at - frozenAt).toBeLessThan(1_500 + 1_000);
    // The server still counts the seat as taken, so nobody can have it.
    await next.story.next('attempt');
    await next.story.next('attempt');
    expect(next.story.of('active')).toEqual([]);
  } finally {
    for (const pid of frozen) process.kill(pid, 'SIGCONT');
  }
  await until(() => [old, next].some(({ controller }) => controller.isActive()));
  expect(old.story.of('active')[1]?.token).not.toBe(old.story.of('active')[0]?.token);
});

test('a lease taken away by hand ends the term with the next beat', async () => {
  await using election = await holdElection({ ttlMs: 5_000 });
  const { story } = await election.lead('leader');
  const { token } = await election.lease();
  await query(election.url, 'select lockd.testify(1, $1, $2, $3)', [token, 'testimony', 'by hand']);
  expect(await story.next('passive')).toMatchObject({ reason: 'lease-lost' });
  await story.next('active');
});
