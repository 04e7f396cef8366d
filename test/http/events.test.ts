import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { LockdError, LockManager } from '../../src/index.ts';
import { query } from '../support/database.ts';
import { holdElection } from '../support/election.ts';
import { temporaryFolder } from '../support/folder.ts';
import { until } from '../support/wait.ts';
import { ask, Listening, Raw, served } from './asking.ts';

test('what happens to the controller is told as it happens, in order', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const first = election.enter('first');
  await using face = await served(first);
  await using listening = new Listening(face.url);
  await listening.begun();
  await first.controller.start();
  const second = await election.standBy('second');
  await using other = await served(second);
  await using standing = new Listening(other.url);
  await standing.begun();
  const token = `${first.controller.term?.token}`;
  await first.controller.stop();
  await standing.transition('active');
  await listening.transition('stopped');
  expect(listening.heard.map(({ data }) => data)).toMatchObject([
    { is: 'active', name: 'led', token, at: expect.stringMatching(/Z$/) },
    { is: 'passive', name: 'led', token, reason: 'stopped' },
    { is: 'drained', name: 'led', token },
    { is: 'stopped', name: 'led' },
  ]);
});

test('a standby tells whom it sees lead, and what warns its operator', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const leader = await election.lead('first');
  const { controller } = election.enter('second');
  await using face = await served({ controller });
  await using listening = new Listening(face.url);
  await listening.begun();
  await controller.start();
  const { instance } = leader.controller;
  expect(await listening.transition('observed')).toMatchObject({
    data: { leader: { label: 'first', instance, token: `${leader.controller.term?.token}` } },
  });
  controller.emit('warning', new LockdError('LOCKD_TIMEOUT', 'late'.padEnd(5_000, '!')));
  const { data } = await listening.transition('warning');
  expect(data.message).toHaveLength(1_000);
});

test('whoever comes back is told what it has missed, and no more', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const { controller } = await election.lead('first');
  await using face = await served({ controller });
  const warn = (message: string) =>
    controller.emit('warning', new LockdError('LOCKD_TIMEOUT', message));
  const before = new Listening(face.url);
  await before.begun();
  warn('one');
  await before.transition('warning');
  const { lastId = '' } = before;
  await before[Symbol.asyncDispose]();
  warn('two');
  warn('three');
  await using after = new Listening(face.url, { 'last-event-id': lastId });
  await after.begun();
  warn('four');
  await after.next(({ data }) => data.message === 'four');
  expect(after.heard.map(({ data }) => data.message)).toEqual(['two', 'three', 'four']);
  await using fresh = new Listening(face.url);
  await fresh.begun();
  expect(fresh.heard).toEqual([]);
  expect(fresh.lastId).toBe(after.lastId);
});

test('an id that is not known is answered with a reset, and listening goes on from there', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const { controller } = await election.lead('first');
  await using face = await served({ controller });
  await using other = await served({ controller }); // as after a restart: ids of its own
  const warn = (message: string) =>
    controller.emit('warning', new LockdError('LOCKD_TIMEOUT', message));
  await using elsewhere = new Listening(other.url);
  await elsewhere.begun();
  await using early = new Listening(face.url);
  await early.begun();
  const tooLong = early.lastId ?? '';
  for (let count = 0; count < 1_001; count += 1) warn(`${count}`);
  const future = tooLong.replace(/\d+$/, '99999');
  for (const id of ['nonsense', elsewhere.lastId ?? '', tooLong, future, `${tooLong}.5`]) {
    await using reset = new Listening(face.url, { 'last-event-id': id });
    await reset.begun();
    expect(
      reset.heard.map(({ event }) => event),
      id,
    ).toEqual(['reset']);
  }
  const oldest = tooLong.replace(/\d+$/, (number) => `${Number(number) + 1}`);
  await using back = new Listening(face.url, { 'last-event-id': oldest });
  await back.begun();
  expect(back.heard.filter(({ event }) => event === 'transition')).toHaveLength(1_000);
});

test('a picture of every name and of what is held comes at once, then each second, while somebody looks', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const connectionString = election.url;
  const { controller } = await election.lead('first');
  const locks = new LockManager({ connectionString, ttlMs: 60_000 });
  await locks.start();
  const hold = await locks.acquire('order/7');
  await using face = await served({ controller }, { database: { connectionString } });
  const readers = async () =>
    (
      await query(
        election.url,
        `select from pg_stat_activity where application_name = 'lockd:reader' and datname = current_database()`,
      )
    ).length;
  expect(await readers()).toBe(0);
  const listening = [1, 2, 3].map(() => new Listening(face.url));
  for (const one of listening) {
    expect(await one.picture()).toMatchObject({
      id: undefined,
      data: {
        names: [
          { name: 'led', isLed: true, leader: { label: 'first', token: expect.any(String) } },
        ],
        locks: { holdings: [{ resource: 'order/7' }], waitings: [], held: 1, waited: 0 },
        readAt: expect.stringMatching(/Z$/),
      },
    });
  }
  expect(await readers()).toBe(2); // one for names, one for locks, however many look
  for (const one of listening) await one.picture();
  const [one] = listening as [Listening];
  const before = one.heard.length;
  controller.emit('warning', new LockdError('LOCKD_TIMEOUT', 'something has happened'));
  await one.transition('warning');
  await one.picture();
  expect(one.heard.length).toBeGreaterThan(before);
  for (const each of listening) await each[Symbol.asyncDispose]();
  const shown = () => one.heard.filter(({ event }) => event === 'picture').length;
  const seen = shown();
  await using again = new Listening(face.url);
  await again.picture();
  expect(shown()).toBe(seen);
  await hold.release();
  await locks.stop();
});

test('two hundred may listen, and each is told', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const { controller } = await election.lead('first');
  const database = { connectionString: election.url };
  await using face = await served({ controller }, { database });
  const many = Array.from({ length: 250 }, () => new Listening(face.url));
  await Promise.all(many.map((one) => one.begun()));
  expect(await ask(face.url, '/events')).toMatchObject({
    status: 503,
    body: { error: { code: 'BUSY' } },
  });
  await controller.resign();
  await Promise.all(many.map((one) => one.transition('passive')));
  await Promise.all(many.map((one) => one.picture(({ names }) => names[0].isLed === false)));
  expect((await ask(face.url, '/healthz')).status).toBe(200);
  await Promise.all(many.map((one) => one[Symbol.asyncDispose]()));
  await using room = new Listening(face.url);
  await room.begun();
});

test('whoever listens and does not read is cut off, and the others are told', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  await using folder = await temporaryFolder();
  const { controller } = await election.lead('first');
  await using face = await served({ controller }, { listen: `unix:${folder.path}/face.sock` });
  const deaf = new Raw(face.url, 'GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await until(() => deaf.text.includes('id: '));
  deaf.socket.pause();
  await using listening = new Listening(face.url);
  await listening.begun();
  const news = new LockdError('LOCKD_TIMEOUT', 'news'.padEnd(900, '.'));
  const said = 2_000;
  for (let count = 0; count < said; count += 1) {
    controller.emit('warning', news);
    if (count % 20 === 0) await turn();
  }
  await until(() => listening.heard.length === said, {
    describe: 'the one that reads is told all',
  });
  deaf.socket.resume();
  const text = await deaf.closed(); // what it had not been sent is gone
  expect(text.length).toBeLessThan(said * 900);
  expect(listening.isOver).toBe(false);
});

test('closing ends what listens, what is idle and what never began, and frees the port', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const { controller } = await election.lead('first');
  const database = { connectionString: election.url };
  const face = await served({ controller }, { database });
  const listening = new Listening(face.url);
  await listening.picture();
  const silent = [new Raw(face.url), new Raw(face.url, 'GET /lea')];
  const kept = new Raw(face.url, 'GET /leader HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await until(() => kept.text.includes('validForMs'));
  await Promise.all([face.close(), face.close()]);
  for (const raw of [...silent, kept]) await raw.closed();
  await until(() => listening.isOver);
  const listen = new URL(face.url).host;
  await using again = await served({ controller }, { listen });
  expect(again.url).toBe(face.url);
  expect(controller.isActive()).toBe(true); // it is the host's to stop
});
