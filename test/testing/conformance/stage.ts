import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { type ControllerOptions, settleOptions } from '../../../src/core/options.ts';
import type {
  Bid,
  Candidate,
  ControlSession,
  Notice,
  SeatSession,
} from '../../../src/core/store.ts';
import type { Place } from './place.ts';

/** Long enough that no case waits for its end. */
export const longMs = 20_000;
export const shortMs = 50;

export const vacant: Bid = { token: 0n, beat: 0, isEnded: false, highestToken: 0n, waitMs: 1_000 };
/** What a call rejects with, and what is told, when a session is over. */
export const broken = { code: 'LOCKD_CONNECTION', isRetryable: true };

export let place: Place;
let names = 0;
const open: { destroy(): void }[] = [];

/** Idle timers are for the cases about them. */
export const candidate = (options: Partial<ControllerOptions> = {}): Candidate => ({
  ...settleOptions({ name: `name ${names}`, ...options }).candidate,
  passiveIdleMs: longMs,
});

const signal = new AbortController().signal;

export async function openSeat(who = candidate()) {
  const lost: Error[] = [];
  const hooks = { lost: (error: Error) => void lost.push(error) };
  const seat = await place.store.openSeat(who, { hooks, signal, timeoutMs: 10_000 });
  open.push(seat);
  return { seat, lost, who };
}

export async function openControl(who = candidate()) {
  const lost: Error[] = [];
  const notices: Notice[] = [];
  const hooks = {
    lost: (error: Error) => void lost.push(error),
    notice: (notice: Notice) => void notices.push(notice),
  };
  const control = await place.store.openControl(who, { hooks, signal, timeoutMs: 10_000 });
  open.push(control);
  return { control, lost, notices, who };
}

export async function take(seat: SeatSession, bid: Partial<Bid> = {}): Promise<bigint> {
  const answer = await seat.takeover({ ...vacant, ...bid });
  if (answer.outcome !== 'taken') throw new Error(`expected taken, got ${answer.outcome}`);
  return answer.token;
}

/** A seat session that leads. */
export async function openLeader(who = candidate()) {
  const { seat, lost } = await openSeat(who);
  const { isGranted, lease } = await seat.attempt(longMs);
  expect(isGranted).toBe(true);
  const { token: before, beat, isEnded } = lease;
  const token = await take(seat, { token: before, beat, isEnded });
  return { seat, lost, token, who };
}

/** Has asked, and stands in the queue as the last of `count`. */
export async function queue(seat: SeatSession, waitMs: number, count = 1) {
  const answer = seat.attempt(waitMs);
  answer.catch(() => {}); // whoever awaits it hears of it
  await place.standing(`name ${names}`, count);
  return { answer };
}

/** Nothing is on its way to this session: what was told before has been heard. */
export const caughtUp = (control: ControlSession): Promise<boolean> =>
  control.testify(-1n, 'testimony', 'nothing');

/** A server for the cases of a block; each case has a name of its own. */
export function useServer(create: () => Promise<Place>): void {
  beforeAll(async () => {
    place = await create();
  });
  afterAll(() => place[Symbol.asyncDispose]());
  afterEach(() => {
    for (const session of open.splice(0)) session.destroy();
    names += 1;
  });
}
