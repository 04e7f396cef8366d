import { expect, test } from 'vitest';
import { settleOptions } from '../../src/core/options.ts';
import type { Notice } from '../../src/core/store.ts';
import { FakeClock, MemoryServer } from '../../src/testing/index.ts';

const timeoutMs = 5_000;
const vacant = { token: 0n, beat: 0, isEnded: false, highestToken: 0n, waitMs: 100 };

function setup() {
  const clock = new FakeClock();
  const server = new MemoryServer({ clock });
  const lost: Error[] = [];
  const notices: Notice[] = [];
  const hooks = {
    lost: (error: Error) => void lost.push(error),
    notice: (notice: Notice) => void notices.push(notice),
  };
  const candidate = () => settleOptions({ name: 'led' }).candidate;
  const who = candidate();
  const openSeat = (as = who, { signal } = new AbortController()) =>
    server.openSeat(as, { hooks, signal, timeoutMs });
  const openControl = (as = who, { signal } = new AbortController()) =>
    server.openControl(as, { hooks, signal, timeoutMs });
  return { clock, server, who, candidate, lost, notices, openSeat, openControl };
}

/** Notes how a promise was settled, if it was. */
function watch(promise: Promise<unknown>): unknown[] {
  const outcomes: unknown[] = [];
  promise.then(
    (value) => outcomes.push(value),
    (error) => outcomes.push(error),
  );
  return outcomes;
}

test('an answer that is on its way when the line is cut arrives when it is mended', async () => {
  const { clock, server, who, candidate, openSeat } = setup();
  const holder = await openSeat(candidate());
  await holder.attempt(100);
  const outcomes = watch((await openSeat()).attempt(1_000));
  await clock.advance(500);
  server.cutOff(who);
  holder.destroy(); // so that it is granted
  await clock.advance(100);
  expect(outcomes).toEqual([]);
  server.mend(who);
  await clock.advance(0);
  expect(outcomes).toMatchObject([{ isGranted: true }]);
});

test('a line can be cut again', async () => {
  const { clock, server, who, openSeat } = setup();
  const seat = await openSeat();
  server.cutOff(who);
  server.mend(who);
  server.cutOff(who);
  const outcomes = watch(seat.readLease());
  await clock.advance(100);
  expect(outcomes).toEqual([]);
});

test('a session that ended behind a cut is told when the line is mended, unless it was given up', async () => {
  const { clock, server, who, lost, openSeat } = setup();
  await openSeat();
  server.cutOff(who);
  await clock.advance(who.passiveIdleMs);
  expect(lost).toEqual([]);
  server.mend(who);
  await clock.advance(0);
  expect(lost).toMatchObject([{ code: 'LOCKD_CONNECTION' }]);

  const given = await openSeat();
  server.cutOff(who);
  given.destroy();
  await clock.advance(who.passiveIdleMs);
  server.mend(who);
  await clock.advance(0);
  expect(lost).toHaveLength(1);
});

test('a notice behind a cut arrives late, and at nobody who has given up', async () => {
  const { clock, server, who, candidate, notices, openSeat, openControl } = setup();
  const [, given] = [await openControl(), await openControl()];
  server.cutOff(who);
  const leader = await openSeat(candidate());
  await leader.attempt(100);
  await leader.takeover(vacant);
  given.destroy();
  await clock.advance(0);
  expect(notices).toEqual([]);
  server.mend(who);
  await clock.advance(0);
  expect(notices).toMatchObject([{ kind: 'taken' }]);
});

test('a mark that gets no answer in time cuts the connection', async () => {
  const { clock, server, who, lost, openControl } = setup();
  const control = await openControl();
  server.cutOff(who);
  const outcomes = watch(control.testify(1n, 'confession', 'session-lost'));
  await clock.advance(timeoutMs - 1);
  expect(outcomes).toEqual([]);
  await clock.advance(1);
  expect(outcomes).toMatchObject([{ code: 'LOCKD_TIMEOUT', isRetryable: true }]);
  expect(lost).toEqual(outcomes);
});

test('a connection over a cut line is made when it is mended, or given up', async () => {
  const { clock, server, who, openSeat } = setup();
  server.cutOff(who);
  const abort = new AbortController();
  const [late, aborted] = [watch(openSeat()), watch(openSeat(who, abort))];
  await clock.advance(timeoutMs - 1);
  abort.abort(new Error('given up'));
  await clock.advance(0);
  expect(aborted).toMatchObject([{ message: 'given up' }]);
  expect(late).toEqual([]);
  await clock.advance(1);
  expect(late).toMatchObject([{ code: 'LOCKD_TIMEOUT', isRetryable: true }]);
  const inTime = watch(openSeat());
  await clock.advance(timeoutMs - 1);
  server.mend(who);
  await clock.advance(1);
  expect(inTime).toMatchObject([{ backend: 1 }]);
});

test('only sessions that are there are ended, and counted', async () => {
  const { clock, server, openSeat, openControl } = setup();
  const [seat] = [await openSeat(), await openControl()];
  seat.destroy();
  await clock.advance(0);
  expect(server.terminate({ backend: seat.backend })).toBe(0);
  expect(server.terminate({})).toBe(1);
});
