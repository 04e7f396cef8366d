import { expect, test } from 'vitest';
import { type Handoff, type HandoffRequest, handOff } from '../../src/postgres/handoff.ts';
import { query } from '../support/database.ts';
import { type Contender, type Election, holdElection, terminate } from '../support/election.ts';
import { registered } from '../support/registered.ts';
import { deferred } from '../support/wait.ts';

const ttlMs = 30_000;

const hand = (election: Election, request: HandoffRequest = {}): Promise<Handoff> =>
  handOff({ connectionString: election.url }, election.name, { isWaiting: true, ...request });

/** A leader and those who stand in line behind it, in this order. */
async function line(
  election: Election,
  [leader, ...others]: readonly [string, ...string[]],
): Promise<Contender[]> {
  const all = [await registered(election.lead(leader))];
  for (const label of others) all.push(await registered(election.standBy(label)));
  return all;
}

test('the seat goes to the instance that is named, and not to whoever is next in line', async () => {
  await using election = await holdElection({ ttlMs });
  const [old] = await line(election, ['old', 'next', 'after', 'heir']);
  const handoff = await hand(election, { to: 'heir', by: 'anna' });
  expect(handoff).toMatchObject({
    outcome: 'handed-over',
    from: { label: 'old' },
    to: { label: 'heir' },
    status: { isLed: true, leader: { label: 'heir' } },
  });
  expect(old?.story.of('passive')).toMatchObject([{ reason: 'handed-over' }]);
  const terms = await election.terms();
  expect(terms.map(({ label }) => label)).toEqual(['old', 'heir']);
  expect(terms[0]).toMatchObject({ ended_by: 'release', reason: 'handed-over' });
  expect(handoff).toMatchObject({ gapMs: Number(terms[1]?.gap_ms) });
});

test('where nobody is named it goes to the newest', async () => {
  await using election = await holdElection({ ttlMs });
  await registered(election.lead('old', { appVersion: '1.9.0' }));
  await registered(election.standBy('same', { appVersion: '1.9.0' }));
  await registered(election.standBy('new', { appVersion: '1.10.0' }));
  await registered(election.standBy('older', { appVersion: '1.8.9' }));
  expect(await hand(election)).toMatchObject({ outcome: 'handed-over', to: { label: 'new' } });
});

test('the work of the old leader has finished before that of the new one begins', async () => {
  await using election = await holdElection({ ttlMs: 3_000 });
  const [old] = await line(election, ['old', 'heir']);
  const work = deferred();
  void old?.controller.track(work.promise);
  const handing = hand(election);
  await old?.story.next('passive');
  await election.beats(1);
  expect(await election.lease()).toMatchObject({ label: 'old', ended_by: null });
  work.resolve();
  expect(await handing).toMatchObject({ outcome: 'handed-over', to: { label: 'heir' } });
});

test('an heir warms up first, and the leader leads on meanwhile', async () => {
  await using election = await holdElection({ ttlMs });
  const old = await registered(election.lead('old'));
  const [asked, warm] = [deferred<AbortSignal>(), deferred<boolean>()];
  await registered(
    election.standBy('heir', {
      onStandby: (signal) => {
        asked.resolve(signal);
        return warm.promise;
      },
    }),
  );
  const handing = hand(election);
  const signal = await asked.promise;
  expect([signal.aborted, old.controller.isActive()]).toEqual([false, true]);
  warm.resolve(true);
  expect(await handing).toMatchObject({ outcome: 'handed-over' });
});

test('whoever has just let go can be handed the seat back at once', async () => {
  await using election = await holdElection({ ttlMs, firstWaitMs: 1_000, maxWaitMs: 1_000 });
  await line(election, ['old', 'heir']);
  expect(await hand(election, { to: 'heir' })).toMatchObject({ outcome: 'handed-over' });
  expect(await hand(election, { to: 'old' })).toMatchObject({ outcome: 'handed-over' });
});

test('while one is under way nobody else can be made the heir, and the first one is', async () => {
  await using election = await holdElection({ ttlMs });
  const [old] = await line(election, ['old', 'next', 'heir', 'other']);
  const work = deferred();
  void old?.controller.track(work.promise);
  const handing = hand(election, { to: 'heir' });
  await old?.story.next('passive');
  expect(await hand(election, { to: 'other' })).toMatchObject({ outcome: 'under-way' });
  const again = hand(election, { to: 'heir' });
  work.resolve();
  expect(await handing).toMatchObject({ outcome: 'handed-over', to: { label: 'heir' } });
  expect(await again).toMatchObject({
    outcome: expect.stringMatching(/^(handed-over|nobody|leads)$/),
  });
});

test('a drain that outlasts the wait still ends with the heir', async () => {
  await using election = await holdElection({ ttlMs });
  const [old, , heir] = await line(election, ['old', 'next', 'heir']);
  const work = deferred();
  void old?.controller.track(work.promise);
  expect(await hand(election, { to: 'heir', timeoutMs: 500 })).toMatchObject({
    outcome: 'timed-out',
  });
  work.resolve();
  await heir?.story.next('active');
});

test('an heir that is stopped in order soon after is followed by the newest, and not by the old leader', async () => {
  await using election = await holdElection({ ttlMs });
  await registered(election.lead('old', { appVersion: '1.0' }));
  const heir = await registered(election.standBy('heir', { appVersion: '2.0' }));
  const newest = await registered(election.standBy('newest', { appVersion: '2.0' }));
  expect(await hand(election, { to: 'heir' })).toMatchObject({ outcome: 'handed-over' });
  await query(
    election.url,
    `update lockd.lease set acquired_at = acquired_at - interval '3 s' where label = 'heir'`,
  );
  await heir.controller.stop();
  await newest.story.next('active');
});

test('an heir that lost its control session on the way is asked again', async () => {
  await using election = await holdElection({ ttlMs });
  await registered(election.lead('old'));
  const asked: AbortSignal[] = [];
  const first = deferred();
  await registered(
    election.standBy('heir', {
      onStandby: (signal) => {
        asked.push(signal);
        first.resolve();
        return asked.length > 1 || new Promise(() => {});
      },
    }),
  );
  const handing = hand(election);
  await first.promise;
  const { control } = await election.bothBackends('heir');
  await terminate(election.url, control);
  expect(await handing).toMatchObject({ outcome: 'handed-over', to: { label: 'heir' } });
  expect(asked.map(({ aborted }) => aborted)).toEqual([true, true]);
});

test('a leader that lost its control session on the way hands over when it has another', async () => {
  await using election = await holdElection({ ttlMs });
  await registered(election.lead('old'));
  const { control } = await election.bothBackends('old');
  await registered(
    election.standBy('heir', {
      onStandby: async () => {
        await terminate(election.url, control);
        return true;
      },
    }),
  );
  expect(await hand(election)).toMatchObject({ outcome: 'handed-over', to: { label: 'heir' } });
});

test.each<[string, () => unknown, string]>([
  ['says no', () => false, 'it said that it is not ready'],
  ['says why not', () => ({ isReady: false, reason: 'the cache is cold' }), 'the cache is cold'],
  ['throws', () => Promise.reject(new Error('no such file')), 'no such file'],
])('an heir that %s is not led by: the leader has not been asked', async (_, answer, reason) => {
  await using election = await holdElection({ ttlMs });
  const old = await registered(election.lead('old'));
  await registered(election.standBy('heir', { onStandby: answer as () => boolean }));
  expect(await hand(election)).toMatchObject({ outcome: 'declined', reason });
  expect(old.story.of('passive')).toEqual([]);
  expect(old.controller.isActive()).toBe(true);
});

test('an heir that goes away after its answer is passed over: the old leader leads again', async () => {
  await using election = await holdElection({ ttlMs });
  const [old, , heir] = await line(election, ['old', 'next', 'heir']);
  const work = deferred();
  void old?.controller.track(work.promise);
  const handing = hand(election, { to: 'heir' });
  await old?.story.next('passive');
  await heir?.controller.stop();
  work.resolve();
  expect(await handing).toMatchObject({
    outcome: 'returned',
    status: { leader: { label: 'old' } },
  });
  expect((await election.terms()).map(({ label }) => label)).toEqual(['old', 'old']);
});

test('an heir that hangs after its answer is passed over, soon', async () => {
  await using election = await holdElection({ ttlMs: 5_000 });
  const [old] = await line(election, ['old', 'next']);
  const heir = await election.host('heir');
  await expect
    .poll(async () => (await election.backends('heir')).control, { timeout: 10_000 })
    .not.toBeNull();
  const work = deferred();
  void old?.controller.track(work.promise);
  const handing = hand(election, { to: 'heir' });
  await old?.story.next('passive');
  heir.freeze();
  work.resolve();
  expect(await handing).toMatchObject({
    outcome: 'returned',
    status: { leader: { label: 'old' } },
  });
  heir.thaw();
});

test('an heir whose work ends at once gives the seat back to whoever handed it over', async () => {
  await using election = await holdElection({ ttlMs });
  const [old] = await line(election, ['old', 'next']);
  const heir = await registered(election.standBy('heir'));
  heir.controller.once('active', () => void heir.controller.resign());
  await hand(election, { to: 'heir' });
  await old?.story.next('active');
  expect((await election.terms()).map(({ label }) => label)).toEqual(['old', 'heir', 'old']);
});

test('whoever only observes is no heir, and never leads', async () => {
  await using election = await holdElection({ ttlMs });
  const old = await registered(election.lead('old'));
  const observer = await registered(election.standBy('observer', { eligible: false }));
  expect(await hand(election)).toMatchObject({ outcome: 'no-candidate' });
  await expect(hand(election, { to: 'observer' })).rejects.toMatchObject({
    code: 'LOCKD_INVALID_OPTION',
    message: expect.stringMatching(/may lead is "observer": nobody waits that may lead/),
  });
  await old.controller.stop();
  const heir = await election.lead('heir');
  expect(await observer.story.next('observed')).toBeDefined();
  await expect
    .poll(() => observer.story.of('observed').at(-1)?.token)
    .toBe(heir.controller.term?.token);
  expect(observer.story.of('active')).toEqual([]);
  expect(observer.controller.standing()).toMatchObject({
    isConnected: true,
    leader: { label: 'heir' },
  });
});

test('a name that means several, or the leader, is refused, and says whom one may name', async () => {
  await using election = await holdElection({ ttlMs });
  await line(election, ['old', 'twin', 'twin']);
  await expect(hand(election, { to: 'twin' })).rejects.toThrow(
    /Several that wait .*Name one by its instance/,
  );
  expect(await hand(election, { to: 'old' })).toMatchObject({ outcome: 'leads' });
  await expect(hand(election, { to: 'nobody' })).rejects.toThrow(/is "nobody": there is twin \(/);
  const third = election.contenders[2]?.controller.instance ?? '';
  expect(await hand(election, { to: third.slice(0, 13) })).toMatchObject({
    outcome: 'handed-over',
    to: { instance: third },
  });
});

test('where nobody leads there is nothing to hand over', async () => {
  await using election = await holdElection({ ttlMs });
  const old = await election.lead('old');
  await old.controller.stop();
  expect(await hand(election)).toMatchObject({ outcome: 'nobody', status: { isLed: false } });
});
