import { expect, test } from 'vitest';
import type { Term } from '../../src/index.ts';
import { heard, holdElection } from '../support/election.ts';
import { deferred, until } from '../support/wait.ts';

test('whileActive() campaigns, runs, aborts, drains, hands over and runs again', async () => {
  await using election = await holdElection();
  const [a, b] = ['a', 'b'].map((label) => election.enter(label));
  if (a === undefined || b === undefined) throw new Error('unreachable');
  const done = new AbortController();
  let running = 0;
  const runs: string[] = [];
  const work = (label: string) => async (term: Term) => {
    running += 1;
    expect(running).toBe(1); // never two at once, drains included
    runs.push(label);
    await aborted(term.signal);
    await election.lease(); // the last things it has to do
    expect(running).toBe(1);
    running -= 1;
  };
  const loops = [a, b].map(({ controller, label }) =>
    controller.whileActive(work(label), { signal: done.signal }),
  );
  const ends = loops.map((loop) => expect(loop).rejects.toThrow('enough'));
  for (let round = 0; round < 6; round += 1) {
    const count = runs.length;
    await until(() => runs.length > 0 && [a, b].some(({ controller }) => controller.isActive()));
    for (const { controller } of [a, b]) void controller.resign();
    await until(() => runs.length > count);
  }
  done.abort(new Error('enough'));
  await Promise.all(ends);
  expect(running).toBe(0);
  expect(new Set(runs)).toEqual(new Set(['a', 'b']));
  expect([a, b].map(({ controller }) => controller.state)).toEqual(['stopped', 'stopped']);
});

test('whileActive() whose work returns early gives the seat to whoever waits', async () => {
  await using election = await holdElection();
  const other = await election.lead('other');
  const brief = election.enter('brief');
  const done = new AbortController();
  const worked = brief.controller.whileActive(() => {}, { signal: done.signal });
  const ended = expect(worked).rejects.toThrow('enough');
  await brief.story.next('attempt');
  await other.controller.resign();
  await brief.story.next('active');
  expect(await brief.story.next('passive')).toMatchObject({ reason: 'resigned' });
  await until(() => other.controller.isActive());
  done.abort(new Error('enough'));
  await ended;
});

test('whileActive() whose work fails lets the seat go, and rejects with that failure', async () => {
  await using election = await holdElection();
  const { controller } = election.enter('only');
  const failure = new Error('broken');
  const worked = controller.whileActive(() => Promise.reject(failure));
  await expect(worked).rejects.toBe(failure);
  expect(controller.state).toBe('stopped');
  expect(await election.terms()).toMatchObject([{ ended_by: 'release' }]);
});

test('whileActive() and terms() end with a stop, though it was forced while their work went on', async () => {
  await using election = await holdElection({ drainTimeoutMs: 100 });
  const { controller, story } = election.enter('only');
  const work = deferred();
  const looped = controller.whileActive(() => work.promise);
  await story.next('active');
  await controller.stop({ force: true });
  work.resolve();
  await expect(within(looped, 2_000)).resolves.toBe('settled');
});

test('terms() yields every term once, and keeps the seat until its body asks for the next', async () => {
  await using election = await holdElection();
  const old = await election.lead('old');
  const next = await election.standBy('next');
  const body = deferred();
  const seen: bigint[] = [];
  const looped = (async () => {
    for await (const term of old.controller.terms()) {
      seen.push(term.token);
      await body.promise;
    }
  })();
  await election.beats(1);
  void old.controller.resign();
  await election.beats(6);
  expect(next.story.of('active')).toEqual([]);
  body.resolve();
  await next.story.next('active');
  await next.controller.stop();
  await old.story.next('active');
  await old.controller.stop();
  await looped;
  expect(seen).toEqual(old.story.of('active').map(({ token }) => token));
});

test('whenActive() resolves with the term, and gives up with the reason of its signal', async () => {
  await using election = await holdElection();
  const leader = await election.lead('leader');
  const standby = await election.standBy('standby');
  expect(await leader.controller.whenActive()).toBe(leader.controller.term);
  const signal = AbortSignal.abort(new Error('no time'));
  await expect(standby.controller.whenActive({ signal })).rejects.toBe(signal.reason);
  const waiting = standby.controller.whenActive();
  await leader.controller.stop();
  expect((await waiting).isActive()).toBe(true);
  const refused = expect(leader.controller.whenActive({ signal: timeout(100) })).rejects.toThrow();
  await refused;
});

test('a gated handler runs while the gate is open, and is drained; else it says that it did not run', async () => {
  await using election = await holdElection();
  const old = await election.lead('old');
  const next = await election.standBy('next');
  const reply = deferred<string>();
  const handler = (greeting: string) => reply.promise.then((name) => `${greeting} ${name}`);
  const running = old.controller.gated(handler)('hello');
  expect(await next.controller.gated(handler)('hello')).toEqual({ ran: false });
  const stopped = old.controller.stop();
  expect(await old.controller.gated(handler)('hello')).toEqual({ ran: false });
  await election.beats(3);
  expect(next.story.of('active')).toEqual([]);
  reply.resolve('world');
  expect(await running).toEqual({ ran: true, value: 'hello world' });
  await stopped;
  await next.story.next('active');
});

test('a handler that fails is drained, and its failure is its caller’s', async () => {
  await using election = await holdElection();
  const { controller } = await election.lead('only');
  const failure = new Error('broken');
  await expect(controller.gated(() => Promise.reject(failure))()).rejects.toBe(failure);
  const tracked = controller.track(Promise.reject(failure));
  await expect(tracked).rejects.toBe(failure);
  await controller.stop();
});

test('a passive notice is given once per key while standing by, and never while leading', async () => {
  await using election = await holdElection();
  const leader = await election.lead('leader');
  const standby = await election.standBy('standby');
  expect(leader.controller.passiveNotice('chat')).toBe(false);
  expect(['a', 'a', 'b', 'a'].map((key) => standby.controller.passiveNotice(key))).toEqual([
    true,
    false,
    true,
    false,
  ]);
  await leader.controller.stop();
  await standby.story.next('active');
  expect(standby.controller.passiveNotice('c')).toBe(false);
});

test('listeners that throw, reject, hang or block disturb neither the election nor one another', async () => {
  await using election = await holdElection();
  const old = election.enter('old');
  for (const event of ['active', 'passive', 'attempt', 'observed', 'warning', 'stopped'] as const) {
    old.controller.prependListener(event, () => {
      throw new Error('thrown');
    });
    old.controller.prependListener(event, () => Promise.reject(new Error('rejected')));
    old.controller.prependListener(event, () => new Promise(() => {}));
  }
  old.controller.prependListener('active', () => void old.controller.start());
  await old.controller.start();
  await old.story.next('active');
  const next = await election.standBy('next');
  await election.beats(2);
  const gone = heard(old.controller, 'stopped');
  void old.controller.stop();
  await next.story.next('active');
  await gone;
  expect(old.story.logged('a listener failed').length).toBeGreaterThanOrEqual(6);
});

test('a listener that stops the controller from inside is heeded, in order', async () => {
  await using election = await holdElection();
  const { controller, story } = election.enter('only');
  controller.prependListener('active', () => void controller.stop());
  const gone = heard(controller, 'stopped');
  await controller.start();
  await gone;
  const told = story.all.map(({ what }) => what).filter((what) => what !== 'attempt');
  expect(told).toEqual(['active', 'passive', 'stopped']);
});

const timeout = (ms: number): AbortSignal => AbortSignal.timeout(ms);

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

async function within(promise: Promise<unknown>, ms: number): Promise<'settled' | 'pending'> {
  let isSettled = false;
  void promise.then(() => {
    isSettled = true;
  });
  await until(() => isSettled, { timeoutMs: ms }).catch(() => {});
  return isSettled ? 'settled' : 'pending';
}
