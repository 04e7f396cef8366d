import { expect, test } from 'vitest';
import { type Contender, type Election, holdElection } from '../support/election.ts';
import { type FaultProxy, startProxy } from '../support/proxy.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

const ttlMs = 1_500;
const slackMs = 3_000;

for (const directions of ['both', 'to-server', 'to-client'] as const) {
  const what = { both: 'either way', 'to-server': 'to the server', 'to-client': 'from the server' };
  test(`a leader whose packets are swallowed ${what[directions]} closes its gate before the next one opens`, async () => {
    await using election = await holdElection({ ttlMs });
    await using proxy = await startProxy(election.url);
    const { old, next } = await leaderBehind(proxy, election);

    proxy.blackhole(directions);
    const cutAt = now();
    expect(await old.story.next('passive')).toMatchObject({ reason: 'deadline-passed' });
    const active = await next.story.next('active');
    expect(active.at - cutAt).toBeLessThan(ttlMs + slackMs);

    proxy.heal();
    expect(await old.story.next('observed')).toMatchObject({ token: active.token });
    expect(next.story.of('passive')).toEqual([]);
  });
}

test('a server that drops both sessions behind the leader’s back does not make two leaders', async () => {
  await using election = await holdElection({ ttlMs });
  await using proxy = await startProxy(election.url);
  const { old, next } = await leaderBehind(proxy, election);

  proxy.resetServerSide();
  const cutAt = now();
  await until(() => next.story.logged('waits for the old lease').length > 0);
  // The server has given the seat away already, and the old leader cannot know.
  expect(old.controller.isActive()).toBe(true);
  const active = await next.story.next('active');
  expect(active.at - cutAt).toBeLessThan(ttlMs + slackMs);
  expect(await old.story.next('passive')).toMatchObject({ reason: 'deadline-passed' });
});

test('a leader that is reset while the server hears nothing confesses over a new connection', async () => {
  await using election = await holdElection({ ttlMs: 6_000 });
  await using proxy = await startProxy(election.url);
  const { old } = await leaderBehind(proxy, election);
  proxy.resetClientSide();
  expect(await old.story.next('passive')).toMatchObject({ reason: 'session-lost' });
  const { token } = old.story.of('active')[0] as { token: bigint };
  await until(async () => {
    const [term] = await election.terms();
    return term?.token === String(token) && term.ended_by === 'confession';
  });
});

async function leaderBehind(
  proxy: FaultProxy,
  election: Election,
): Promise<{ old: Contender; next: Contender }> {
  const old = await election.lead('old', { connectionString: proxy.url() });
  const next = await election.standBy('next');
  await election.beats(2);
  return { old, next };
}
