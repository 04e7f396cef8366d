import { expect, test } from 'vitest';
import { holdElection } from '../support/election.ts';
import { startProxy } from '../support/proxy.ts';
import { until } from '../support/wait.ts';
import { ask, Listening, served } from './asking.ts';

test('it is ready as soon as it can campaign, leading or not', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  await election.lead('first');
  const second = election.enter('second');
  await using face = await served(second);
  expect(await ask(face.url, '/readyz')).toMatchObject({
    status: 503,
    body: { ok: false, reason: 'stopped' },
  });
  expect((await ask(face.url, '/healthz')).status).toBe(200); // the process works
  await second.controller.start();
  expect(await ask(face.url, '/readyz')).toMatchObject({
    status: 200,
    body: { ok: true, state: 'passive', label: 'second' },
  });
});

test('without a database a standby works, and is not ready', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  await using proxy = await startProxy(election.url);
  await proxy.refuse();
  const { controller } = election.enter('lone', { connectionString: proxy.url() });
  await using face = await served({ controller });
  await controller.start();
  expect(await ask(face.url, '/healthz')).toMatchObject({
    status: 200,
    body: { ok: true, isConnected: false, reason: 'no session with the database' },
  });
  expect(await ask(face.url, '/readyz')).toMatchObject({
    status: 503,
    body: { ok: false, failures: expect.any(Number) },
  });
  await proxy.accept();
  await until(async () => (await ask(face.url, '/readyz')).status === 200);
  await controller.stop(); // while there is a way to its database
});

test('when the database goes silent under a leader, health, leader and events tell the truth', async () => {
  await using election = await holdElection({
    ttlMs: 3_000,
    heartbeatMs: 200,
    reconnectMaxMs: 200,
  });
  await using proxy = await startProxy(election.url);
  const connectionString = proxy.url();
  const { controller } = await election.lead('first', { connectionString });
  await using face = await served({ controller }, { database: { connectionString } });
  await using listening = new Listening(face.url);
  await listening.picture(({ names, error }) => names[0]?.isLed && error === undefined);
  expect(await ask(face.url, '/healthz')).toMatchObject({ status: 200, body: { ok: true } });
  proxy.blackhole();
  // It believes that it leads, and cannot renew: 2 beats and 500 ms, well before the lease is over.
  await until(async () => (await ask(face.url, '/healthz')).status === 503);
  expect(controller.isActive()).toBe(true);
  await until(async () => {
    const { status } = await ask(face.url, '/leader');
    if (status === 200) return false;
    expect(controller.isActive()).toBe(false);
    return true;
  });
  expect(await listening.transition('passive')).toMatchObject({
    data: { name: 'led', reason: 'deadline-passed', token: expect.stringMatching(/^\d+$/) },
  });
  expect(await ask(face.url, '/readyz')).toMatchObject({ status: 503 });
  // It holds nothing any more: a restart would mend nothing.
  await until(async () => (await ask(face.url, '/healthz')).status === 200);
  await proxy.refuse();
  proxy.heal();
  proxy.cut();
  const { data } = await listening.picture(({ error }) => error !== undefined);
  expect(data).toMatchObject({ names: [{ name: 'led' }], readAt: expect.any(String) });
  expect(await ask(face.url, '/status')).toMatchObject({
    status: 503,
    body: { error: { code: expect.stringMatching(/^LOCKD_/) } },
  });
  await proxy.accept();
  await listening.transition('active');
  await listening.picture(({ names, error }) => names[0].isLed && error === undefined);
  await controller.stop();
});

test('the moment the gate closes, whoever asks is told: no answer is made before it is asked for', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const { controller } = await election.lead('first');
  await using face = await served({ controller });
  let answer: Promise<number> | undefined;
  controller.on('passive', () => {
    answer = ask(face.url, '/leader').then(({ status }) => status);
  });
  expect((await ask(face.url, '/leader')).status).toBe(200);
  await controller.stop();
  expect(await answer).toBe(503);
});
