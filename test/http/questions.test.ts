import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { mostAsked } from '../../src/http/connections.ts';
import { LockManager } from '../../src/index.ts';
import { query } from '../support/database.ts';
import { holdElection } from '../support/election.ts';
import { startProxy } from '../support/proxy.ts';
import { registered } from '../support/registered.ts';
import { until } from '../support/wait.ts';
import { ask, post, Raw, served } from './asking.ts';

test('the status is what the instance knows of itself, and what the database knows of every name', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const { controller } = await registered(election.lead('first'));
  await registered(election.standBy('second'));
  const database = { connectionString: election.url };
  await using face = await served({ controller }, { database });
  const { status, body } = await ask(face.url, '/status');
  expect(status).toBe(200);
  const { instance, term } = controller;
  const token = `${term?.token}`;
  expect(body).toMatchObject({
    name: 'led',
    instance,
    label: 'first',
    standing: { state: 'active', token, ttlMs: 60_000, leader: { instance } },
    names: [
      {
        name: 'led',
        isLed: true,
        isInUse: true,
        leader: { instance, token, endedAt: null },
        waiting: [{ label: 'second' }],
        faults: [],
      },
    ],
  });
  expect((await ask(face.url, '/status?name=led')).body.names).toHaveLength(1);
  expect((await ask(face.url, '/status?name=other')).body.names).toEqual([]);
  expect((await ask(face.url, `/status?name=${'x'.repeat(201)}`)).status).toBe(400);
});

test('a parameter that nobody would read is refused, with the one that may have been meant', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const database = { connectionString: election.url };
  await using face = await served(await election.lead('first'), { database });
  for (const path of ['/status?nam=led', '/history?sinec=7d', '/locks?name=led']) {
    expect(await ask(face.url, path), path).toMatchObject({
      status: 400,
      body: { error: { code: 'LOCKD_INVALID_OPTION' } },
    });
  }
  const { body } = await ask(face.url, '/history?sinec=7d');
  expect(body.error.message).toContain('Did you mean `since`?');
});

test('one status is one statement, and those that are asked for at the same time share it', async () => {
  await using election = await holdElection({ ttlMs: 24 * 60 * 60 * 1_000 });
  await registered(election.lead('first'));
  await using proxy = await startProxy(election.url);
  const watching = election.enter('watching');
  await using face = await served(watching, { database: { connectionString: proxy.url() } });
  await ask(face.url, '/status');
  await ask(face.url, '/status'); // it has looked before, and is connected
  const reader = await proxy.named('lockd:reader');
  const before = reader.bytes.toServer;
  await ask(face.url, '/status');
  const one = reader.bytes.toServer - before;
  expect(one).toBeGreaterThan(0);
  const asked = 'GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(mostAsked);
  const many = [1, 2, 3].map(() => new Raw(face.url, asked));
  await until(() => many.every(({ text }) => text.split('HTTP/1.1 200').length === mostAsked + 1));
  for (const raw of many) raw.socket.destroy();
  expect(reader.bytes.toServer - before).toBeLessThanOrEqual(one * 4);
  expect(proxy.connections).toHaveLength(1);
});

test('history tells the terms of a name, the newest last', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const { controller } = await registered(election.lead('first'));
  const database = { connectionString: election.url };
  await using face = await served({ controller }, { database });
  await controller.stop();
  await election.lead('second');
  const { body } = await ask(face.url, '/history');
  expect(body).toMatchObject({
    name: 'led',
    terms: [
      { label: 'first', endedBy: 'release', reason: 'stopped', gapMs: null },
      { label: 'second', endedAt: null, gapMs: expect.any(Number) },
    ],
  });
  expect((await ask(face.url, '/history?name=other&since=7d')).body.terms).toEqual([]);
  expect((await ask(face.url, '/history?since=90m')).body.terms).toHaveLength(2);
  for (const since of ['24', '-1h', '1e9h', '0h', '99999999d', '']) {
    expect((await ask(face.url, `/history?since=${since}`)).status, since).toBe(400);
  }
});

test('locks tells what is held and who waits', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const connectionString = election.url;
  const { controller } = await election.lead('first');
  await using face = await served({ controller }, { database: { connectionString } });
  const locks = new LockManager({ connectionString, ttlMs: 60_000, label: 'holder' });
  await locks.start();
  const hold = await locks.acquire('order/7', { reason: 'billing' });
  const waiting = locks.acquire('order/7');
  const held = await until(async () => {
    const { body } = await ask(face.url, '/locks');
    return body.waited === 1 && body;
  });
  expect(held).toMatchObject({
    held: 1,
    holdings: [{ resource: 'order/7', label: 'holder', details: { reason: 'billing' } }],
    waitings: [{ resource: 'order/7' }],
  });
  await hold.release();
  await (await waiting).release();
  await locks.stop();
});

test('metrics tells Prometheus of the controller and of locks, or what the host has on its registry', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const { controller } = await election.lead('first');
  const locks = LockManager.inMemory();
  await using face = await served({ controller }, { locks });
  const { headers, text } = await ask(face.url, '/metrics');
  expect(headers['content-type']).toContain('text/plain');
  expect(text).toContain('lockd_is_leader{name="led"} 1');
  expect(text).toMatch(/^lockd_\w*(acquisitions|resource)\w*/m);
  const registry = new Registry();
  await using other = await served({ controller }, { registry });
  expect((await ask(other.url, '/metrics')).text.trim()).toBe('');
  await locks.stop();
});

test('resign asks the leader, wherever it is, and says what came of it', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const first = await registered(election.lead('first'));
  const second = await registered(election.standBy('second'));
  const database = { connectionString: election.url };
  await using face = await served(second, { database });
  const { token } = first.controller.term ?? {};
  expect(await post(face.url, '/resign', { name: 'led' })).toMatchObject({
    status: 202,
    body: { outcome: 'asked', isHeard: true, asked: { label: 'first', token: `${token}` } },
  });
  await second.story.next('active');
  expect(await post(face.url, '/resign', { wait: true })).toMatchObject({
    status: 200,
    body: { outcome: 'resigned', asked: { label: 'second' } },
  });
  await first.controller.stop();
  await second.controller.stop();
  expect(await post(face.url, '/resign', {})).toMatchObject({
    status: 409,
    body: { outcome: 'nobody' },
  });
  expect((await post(face.url, '/resign', { name: 'other' })).status).toBe(409);
});

test('this instance resigns without a database, too, and by force if that is asked', async () => {
  await using election = await holdElection({ ttlMs: 60_000, drainTimeoutMs: 100 });
  const { controller, story } = await election.lead('first');
  await using face = await served({ controller });
  let finish = (): void => {};
  void controller.track(new Promise<void>((resolve) => (finish = resolve)));
  expect(await post(face.url, '/resign', '')).toMatchObject({
    status: 202,
    body: { outcome: 'asked', asked: { label: 'first' } },
  });
  await story.next('passive');
  expect((await post(face.url, '/resign', { force: true })).status).toBe(202);
  await until(() => controller.standing().lastBeatAgeMs === undefined); // it gave the seat up
  finish();
  await until(() => controller.state === 'passive');
  expect(await post(face.url, '/resign', {})).toMatchObject({ status: 409 });
  expect((await post(face.url, '/resign', { name: 'other' })).status).toBe(501);
  expect((await post(face.url, '/resign', { name: 'other', force: true })).status).toBe(400);
});

test('handoff gives leadership to the one that is named, and says so', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const first = await registered(election.lead('first'));
  const second = await registered(election.standBy('second'));
  await registered(election.standBy('third'));
  const database = { connectionString: election.url };
  await using face = await served(first, { database });
  expect(await post(face.url, '/handoff', { to: 'nobody' })).toMatchObject({ status: 400 });
  expect(await post(face.url, '/handoff', { to: 'second', newest: true })).toMatchObject({
    status: 400,
  });
  expect(await post(face.url, '/handoff', { to: 'third' })).toMatchObject({
    status: 200,
    body: {
      outcome: 'handed-over',
      from: { label: 'first' },
      to: { label: 'third' },
      gapMs: expect.any(Number),
    },
  });
  const { instance } = second.controller;
  const asked = await post(face.url, '/handoff', { to: instance.slice(0, 8), wait: false });
  expect(asked).toMatchObject({ status: 202, body: { outcome: 'asked' } });
  await second.story.next('active');
  expect((await post(face.url, '/handoff', { name: 'other' })).status).toBe(409);
});

test('without a database there is nothing to ask it', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  await using face = await served(await election.lead('first'));
  for (const path of ['/status', '/history', '/locks']) {
    expect(await ask(face.url, path), path).toMatchObject({
      status: 501,
      body: { error: { code: 'NO_DATABASE' } },
    });
  }
  expect((await post(face.url, '/handoff', {})).status).toBe(501);
});

test('whoever goes away before it has its answer disturbs nobody', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  await using proxy = await startProxy(election.url);
  const first = await election.lead('first');
  await using face = await served(first, {
    database: { connectionString: proxy.url() },
    logger: first.story.logger,
  });
  await ask(face.url, '/status');
  const hold = proxy.hold('to-client');
  const gone = ['GET /status', 'HEAD /status', 'GET /locks', 'GET /history'].map(
    (asked) => new Raw(face.url, `${asked} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
  );
  await hold.arrived;
  for (const { socket } of gone) socket.destroy();
  await Promise.all(gone.map((raw) => raw.closed()));
  hold.release();
  expect((await ask(face.url, '/status')).status).toBe(200);
  expect(first.story.logged('could not')).toEqual([]);
});

test('closing does not wait for what was asked of others', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const first = await registered(election.lead('first'));
  const second = await registered(election.standBy('second'));
  let finish = (): void => {};
  void first.controller.track(
    new Promise<void>((resolve) => {
      finish = resolve;
    }),
  );
  const face = await served(second, { database: { connectionString: election.url } });
  const asked = post(face.url, '/resign', { wait: true }).catch(() => undefined);
  await first.story.next('passive');
  await face.close();
  await asked;
  const sessions = `select from pg_stat_activity where application_name = 'lockd:resign' and datname = current_database()`;
  await until(async () => (await query(election.url, sessions)).length === 0);
  expect(first.controller.state).toBe('draining');
  finish();
});
