/** Whoever can reach it, and has no token, takes neither the lease from the leader nor the room from probes. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { Connections, type Limits, mostAsked } from '../../src/http/connections.ts';
import { observeController } from '../../src/metrics/index.ts';
import { holdElection } from '../support/election.ts';
import { until } from '../support/wait.ts';
import { ask, Raw, served } from './asking.ts';

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

const begunPost = 'POST /resign HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
const slowPost = `${begunPost}Content-Length: 100\r\n\r\n{`;

class CountingRegistry extends Registry {
  collections = 0;

  override metrics(): Promise<string> {
    this.collections += 1;
    return super.metrics();
  }
}

/** One that asks, and reads nothing. */
function unread(url: string, said: string): Raw {
  const raw = new Raw(url);
  raw.socket.pause();
  raw.socket.write(said);
  return raw;
}

test('a flood of questions on connections that read nothing costs no beat and no term', async () => {
  await using election = await holdElection({ ttlMs: 1_500, heartbeatMs: 100 });
  const first = await election.lead('first');
  const registry = new CountingRegistry();
  using _observed = observeController(first.controller, { registry });
  await using face = await served(first, { registry });
  const startedAt = performance.now();
  const flood = ['/metrics', '/healthz', '/', '/metrics?x'].map((path) =>
    unread(face.url, get(path).repeat(20_000)),
  );
  await election.beats(6);
  expect((await ask(face.url, '/healthz')).status).toBe(200);
  for (const raw of flood) {
    raw.socket.resume();
    const answers = (await raw.closed()).split('HTTP/1.1 200 ').length - 1;
    expect(answers).toBeLessThanOrEqual(mostAsked);
  }
  expect(first.story.of('passive')).toEqual([]);
  expect(registry.collections).toBeLessThanOrEqual(1 + (performance.now() - startedAt) / 250);
});

test.each(['/healthz', '/leader', '/metrics', '/'])(
  '%s is answered to some who do not wait for each answer, and cut off beyond',
  async (path) => {
    await using election = await holdElection({ ttlMs: 60_000 });
    await using face = await served(await election.lead('first'));
    const some = new Raw(face.url, get(path).repeat(mostAsked));
    const answers = (): number => some.text.split('HTTP/1.1 200 ').length - 1;
    await until(() => answers() === mostAsked);
    expect(some.isClosed).toBe(false);
    some.socket.write(get(path));
    await until(() => answers() === mostAsked + 1);
    some.socket.destroy();
    await new Raw(face.url, get(path).repeat(mostAsked + 1)).closed(2_000);
  },
);

test('however many scrape at once, metrics are collected once, and anew a moment later', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const registry = new CountingRegistry();
  await using face = await served(await election.lead('first'), { registry });
  const startedAt = performance.now();
  const answers = await Promise.all(Array.from({ length: 100 }, () => ask(face.url, '/metrics')));
  expect(answers.every(({ status }) => status === 200)).toBe(true);
  expect(registry.collections).toBeLessThanOrEqual(1 + (performance.now() - startedAt) / 250);
  const before = registry.collections;
  await until(async () => {
    await ask(face.url, '/metrics');
    return registry.collections > before;
  });
});

test('requests that are never said to their end keep no probe out', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  await using face = await served(await election.lead('first'), { maxConnections: 4 });
  const slow = [slowPost, get('/leader').slice(0, -2), slowPost, slowPost].map(
    (said) => new Raw(face.url, said),
  );
  await until(() => slow.every(({ socket }) => !socket.connecting && socket.bytesWritten > 0));
  for (const path of ['/healthz', '/readyz', '/leader']) {
    expect((await ask(face.url, path)).status, path).toBe(200);
  }
  await slow[0]?.closed(); // it had been so for longest
  expect(slow[3]?.isClosed).toBe(false);
  for (const raw of slow) raw.socket.destroy();
});

test('a body that does not come is waited for no longer than a head, and is no error of ours', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const first = await election.lead('first');
  const { logger } = first.story;
  await using face = await served(first, { headersTimeoutMs: 300, logger });
  const aborted = new Raw(face.url, slowPost);
  await until(() => aborted.socket.bytesWritten > 0);
  await ask(face.url, '/healthz');
  aborted.socket.destroy();
  const slow = new Raw(face.url, slowPost);
  const dripping = setInterval(() => slow.socket.write(' '), 50);
  try {
    expect(await slow.closed(5_000)).toMatch(/^(HTTP\/1.1 408 |$)/);
  } finally {
    clearInterval(dripping);
  }
  await until(() => first.story.logged('not said to its end').length === 2);
  expect(first.story.logged('could not answer')).toEqual([]);
});

/** A server of its own, for limits and answers which the real one has not. */
async function limited(
  limits: Partial<Limits>,
  listener: RequestListener,
): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer();
  new Connections(server, { most: 10, unreadMs: 60_000, ...limits }, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** More than the system keeps for those who do not read. */
const large = 'x'.repeat(16 * 1024 * 1024);

test('whoever does not read its answer is cut off; who waits for one is not', async () => {
  let isCut = false;
  await using face = await limited({ unreadMs: 600 }, async ({ url }, answer) => {
    if (url === '/lazy') {
      answer.once('close', () => {
        isCut = true;
      });
    }
    if (url === '/slow') await sleep(1_500); // the answer's own time, longer than what may stay unread
    answer.end(url === '/slow' ? 'done' : large);
  });
  const lazy = unread(face.url, get('/lazy'));
  const patient = ask(face.url, '/slow');
  expect((await ask(face.url, '/large')).text).toHaveLength(large.length);
  expect((await patient).text).toBe('done');
  await until(() => isCut);
  lazy.socket.resume();
  expect((await lazy.closed()).length).toBeLessThan(large.length);
});

test('answers that nobody reads keep no probe out, and call for no more of them', async () => {
  let asked = 0;
  await using face = await limited({ most: 3 }, ({ url }, answer) => {
    asked += 1;
    answer.end(url === '/probe' ? 'well' : large);
  });
  const lazy = [1, 2, 3].map(() => unread(face.url, get('/large')));
  await until(() => asked === 3);
  expect((await ask(face.url, '/probe')).text).toBe('well');
  lazy[2]?.socket.write(get('/large'));
  const more = unread(face.url, get('/large').repeat(2));
  await until(() => asked === 5);
  for (const raw of [...lazy, more]) raw.socket.resume();
  expect((await more.closed()).length).toBeLessThan(2 * large.length);
  expect(asked).toBe(5);
  for (const raw of lazy) raw.socket.destroy();
});
