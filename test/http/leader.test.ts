import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { serve } from '../../src/http/index.ts';
import { migrate } from '../../src/index.ts';
import { handOff } from '../../src/postgres/handoff.ts';
import { built } from '../support/built.ts';
import { createDatabase } from '../support/database.ts';
import { type Contender, type Election, holdElection, terminate } from '../support/election.ts';
import { startProxy } from '../support/proxy.ts';
import { registered } from '../support/registered.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';
import { ask, served } from './asking.ts';

test('the leader is told with its token and for how long; a standby with who leads, if anybody', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const lone = election.enter('lone');
  await using asleep = await served(lone);
  expect(await ask(asleep.url, '/leader')).toMatchObject({
    status: 503,
    headers: { 'cache-control': 'no-store', 'content-type': 'application/json' },
    body: { name: 'led', leader: null },
  });
  const { controller } = await election.lead('first');
  await using first = await served({ controller }, { promiseMs: undefined });
  await using second = await served(await election.standBy('second'));
  const token = String(controller.term?.token);
  const { instance } = controller;
  const { status, body } = await ask(first.url, '/leader');
  expect(status).toBe(200);
  expect(body).toEqual({
    name: 'led',
    instance,
    label: 'first',
    token,
    validForMs: expect.any(Number),
  });
  expect(body.validForMs).toBe(2_000); // of a lease of a minute no more than is promised
  const standing = await until(async () => {
    const answer = await ask(second.url, '/leader');
    return answer.body.leader === null ? undefined : answer;
  });
  expect(standing).toMatchObject({
    status: 503,
    body: { name: 'led', leader: { label: 'first', instance, token } },
  });
});

test('what is left of the lease is counted from when the last beat was sent', async () => {
  await using election = await holdElection({ ttlMs: 60_000, drainTimeoutMs: 100 });
  const { controller } = await election.lead('first');
  await using first = await served({ controller }, { promiseMs: 60_000 });
  const before = controller.term?.validForMs() ?? 0;
  const { body } = await ask(first.url, '/leader');
  expect(body.validForMs).toBeLessThanOrEqual(before);
  expect(body.validForMs).toBeGreaterThan(before - 10_000);
  expect(before).toBeLessThan(60_000 - 600);
  const leaving = controller.stop({ force: true });
  expect((await ask(first.url, '/leader')).status).toBe(503); // though much is promised still
  void leaving; // the election ends it
});

test('HEAD tells whether it leads, in the status alone', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const contender = await election.lead('first');
  await using first = await served(contender);
  const head = await ask(first.url, '/leader', { method: 'HEAD' });
  expect(head).toMatchObject({ status: 200, text: '' });
  await contender.controller.stop();
  expect(await ask(first.url, '/leader', { method: 'HEAD' })).toMatchObject({ status: 503 });
});

/** A host that acts on what its sidecar tells it: from when it hears it, until that has run out. */
class Client {
  readonly spells: { readonly from: number; readonly until: number }[] = [];
  readonly #url: string;
  readonly #polling: Promise<void>;
  #isOver = false;

  constructor(url: string) {
    this.#url = url;
    this.#polling = this.#poll();
  }

  async #poll(): Promise<void> {
    while (!this.#isOver) {
      const asked = now();
      const { status, body } = await ask(this.#url, '/leader');
      const until = asked + (body.validForMs ?? 0);
      if (status === 200 && until > now()) this.spells.push({ from: now(), until });
      await sleep(20);
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#polling;
  }
}

const overlaps = (one: Client, other: Client): string[] =>
  one.spells.flatMap((mine) =>
    other.spells
      .filter((theirs) => mine.from < theirs.until && theirs.from < mine.until)
      .map((theirs) => `${JSON.stringify(mine)} and ${JSON.stringify(theirs)}`),
  );

const endings: Record<string, (election: Election, leader: Contender) => Promise<unknown>> = {
  'it resigns': (_, { controller }) => controller.resign(),
  'it is stopped': (_, { controller }) => controller.stop(),
  'it is told to hand over': ({ url, name }) =>
    handOff({ connectionString: url }, name, { isWaiting: true }),
  'its seat session is terminated': async (election, { label }) =>
    terminate(election.url, (await election.bothBackends(label)).seat),
};

test.each(Object.entries(endings))(
  'no two hosts ever act at the same time on what their sidecars told them: %s',
  async (_, end) => {
    await using election = await holdElection({ ttlMs: 3_000 });
    const first = await registered(election.lead('first'));
    const second = await registered(election.standBy('second'));
    await using one = await served(first, { promiseMs: 700 });
    await using other = await served(second, { promiseMs: 700 });
    const [host, next] = [new Client(one.url), new Client(other.url)];
    await until(() => host.spells.length > 3);
    await end(election, first);
    await until(() => next.spells.length > 3);
    await Promise.all([host.stop(), next.stop()]);
    expect(overlaps(host, next)).toEqual([]);
    // It was the promise that was waited for, and not the lease.
    const [begun, ended] = [next.spells[0]?.from ?? 0, host.spells.at(-1)?.until ?? 0];
    expect(begun - ended).toBeLessThan(1_500);
  },
);

test('a term over which nobody asked is handed over at once: nothing was promised', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const first = await election.lead('first');
  const second = await election.standBy('second');
  await using _one = await served(first, { promiseMs: 60_000 });
  await first.controller.resign();
  await second.story.next('active');
});

test('a promise of nothing keeps no seat', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const first = await election.lead('first');
  await using one = await served(first, { promiseMs: 0 });
  expect(await ask(one.url, '/leader')).toMatchObject({ status: 200, body: { validForMs: 0 } });
  await first.controller.stop();
  expect(first.story.logged('became passive')).toMatchObject([{ inFlight: 0 }]);
});

test('a controller with a guard promises nothing: its successor does not wait when it dies', async () => {
  await using database = await createDatabase();
  await migrate({ connectionString: database.url });
  // The witness is started by its compiled file.
  const { SingletonLockController } = await import(built('index.js').href);
  const guarded = new SingletonLockController({
    name: 'led',
    connectionString: database.url,
    guard: true,
  });
  await expect(serve(guarded, { promiseMs: 100 })).rejects.toMatchObject({
    code: 'LOCKD_INVALID_OPTION',
    message: expect.stringContaining('`promiseMs` to be 0'),
  });
  await using one = await serve(guarded, { listen: '127.0.0.1:0' });
  await guarded.start();
  expect(await ask(one.url, '/leader')).toMatchObject({ status: 200, body: { validForMs: 0 } });
  await guarded.stop();
});

/** So many requests, on 16 connections that are kept. */
async function load(url: string, isOver: (count: number) => boolean): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  let count = 0;
  const one = async (): Promise<void> => {
    while (!isOver(count)) {
      count += 1;
      expect((await ask(url, '/leader', { agent })).status).toBe(200);
    }
  };
  await Promise.all(Array.from({ length: 16 }, one));
  agent.destroy();
  return count;
}

test('whether it leads is told a thousand times without one word to the database', async () => {
  await using election = await holdElection({ ttlMs: 24 * 60 * 60 * 1_000 });
  await using proxy = await startProxy(election.url);
  const first = await election.lead('first', { connectionString: proxy.url() });
  await proxy.named('lockd:led:first');
  await using one = await served(first, { database: { connectionString: proxy.url() } });
  await until(async () => {
    const before = proxy.bytes.toServer;
    await sleep(100); // until it has registered and nothing is said any more
    return proxy.bytes.toServer === before;
  });
  const { toServer } = proxy.bytes;
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const asked = Array.from({ length: 1_000 }, () => ask(one.url, '/leader', { agent }));
  const answers = await Promise.all(asked);
  agent.destroy();
  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  expect(proxy.bytes.toServer).toBe(toServer);
  await first.controller.stop(); // while there is a way to its database
});

test('beats go on beneath all the questions that can be asked', async () => {
  await using election = await holdElection({ ttlMs: 6_000, heartbeatMs: 200 });
  const first = await election.lead('first');
  await using one = await served(first);
  const beats: boolean[] = [];
  let lastAt = now();
  let longestMs = 0;
  first.controller.on('beat', ({ isKept }) => {
    beats.push(isKept);
    longestMs = Math.max(longestMs, now() - lastAt);
    lastAt = now();
  });
  const count = await load(one.url, () => beats.length >= 8);
  expect(count).toBeGreaterThan(200);
  expect(beats).not.toContain(false);
  expect(longestMs).toBeLessThan(3_000);
});
