import { describe, expect, test } from 'vitest';
import type { Bid } from '../../../src/core/store.ts';
import {
  candidate,
  longMs,
  openControl,
  openLeader,
  openSeat,
  queue,
  shortMs,
  take,
  vacant,
} from './stage.ts';

/** What the protocol relies on in campaigning: from the queue to the seat, from the seat to a term, from beat to beat. */
export function campaign(): void {
  describe('an attempt', () => {
    test('at a vacant seat is granted at once, with a lease that nobody has had', async () => {
      const { seat } = await openSeat();
      const { isGranted, lease } = await seat.attempt(longMs);
      expect(isGranted).toBe(true);
      expect(lease).toMatchObject({ token: 0n, beat: 0, isEnded: false });
      const { instance, label, recorded, beatAgeMs } = lease;
      expect({ instance, label, recorded, beatAgeMs }).toEqual({
        instance: undefined,
        label: undefined,
        recorded: undefined,
        beatAgeMs: undefined,
      });
    });

    test('at a seat that is held waits its time, and then says busy and who leads', async () => {
      const leader = await openLeader();
      const { seat } = await openSeat();
      const began = performance.now();
      const { isGranted, lease } = await seat.attempt(200);
      expect(performance.now() - began).toBeGreaterThan(190);
      expect(isGranted).toBe(false);
      expect(lease).toMatchObject({ token: leader.token, beat: 0, isEnded: false });
      expect(lease).toMatchObject({ instance: leader.who.instance, label: leader.who.label });
    });

    test('that was answered busy is out of the queue', async () => {
      const leader = await openLeader();
      const { seat: gone } = await openSeat();
      const { seat: next } = await openSeat();
      expect((await gone.attempt(shortMs)).isGranted).toBe(false);
      leader.seat.destroy();
      expect((await next.attempt(longMs)).isGranted).toBe(true);
      await expect(gone.beat(leader.token)).resolves.toBe(false);
    });

    test('is granted in the order in which they came', async () => {
      const leader = await openLeader();
      const seats = [];
      for (let each = 0; each < 3; each += 1) seats.push((await openSeat()).seat);
      const order: number[] = [];
      const answers = [];
      for (const [index, seat] of seats.entries()) {
        const { answer } = await queue(seat, longMs, index + 1);
        answers.push(
          answer.then(() => {
            order.push(index);
            seat.destroy();
          }),
        );
      }
      leader.seat.destroy();
      await Promise.all(answers);
      expect(order).toEqual([0, 1, 2]);
    });

    test('that comes later does not overtake one that stands', async () => {
      const leader = await openLeader();
      const [first, second] = [await openSeat(), await openSeat()];
      const { answer } = await queue(first.seat, longMs);
      await leader.seat.release(leader.token, 'stopped');
      expect((await second.seat.attempt(shortMs)).isGranted).toBe(false);
      expect((await answer).isGranted).toBe(true);
    });

    test('on a session that holds the seat is refused, and it still holds it', async () => {
      const { seat, token } = await openLeader();
      const again = seat.attempt(shortMs);
      await expect(again).rejects.toMatchObject({ code: 'LOCKD_OCCUPIED', isRetryable: false });
      expect(await seat.beat(token)).toBe(true);
    });

    test('at another name does not meet it', async () => {
      await openLeader();
      const { lease } = await (await openSeat(candidate({ name: 'another name' }))).seat.attempt(1);
      expect(lease.token).toBe(0n);
    });
  });

  describe('a takeover', () => {
    test('writes who leads, under a token that is not below the clock in milliseconds', async () => {
      const { seat, who, token } = await openLeader(candidate({ ttlMs: 6_000 }));
      expect(token).toBeGreaterThan(BigInt(Date.UTC(2026, 0, 1)));
      const lease = await seat.readLease();
      const { instance, label } = who;
      expect(lease).toMatchObject({ token, beat: 0, isEnded: false, instance, label });
      expect(lease).toMatchObject({ ttlMs: 6_000, heartbeatMs: 1_200 });
      expect(lease.recorded).toEqual(lease.server);
      expect(lease.beatAgeMs).toBeGreaterThanOrEqual(0);
      expect(lease.beatAgeMs).toBeLessThan(longMs);
    });

    test.each<[string, Partial<Bid>]>([
      ['another token', { token: 1n }],
      ['another beat', { beat: 2 }],
      ['a mark that is not there', { isEnded: true }],
    ])('from a row with %s changes nothing', async (_what, seen) => {
      const leader = await openLeader();
      expect(await leader.seat.beat(leader.token)).toBe(true);
      leader.seat.destroy();
      const { seat } = await openSeat();
      const { lease } = await seat.attempt(longMs);
      const { token, beat, isEnded } = lease;
      const bid = { ...vacant, token, beat, isEnded };
      expect(await seat.takeover({ ...bid, ...seen })).toEqual({ outcome: 'changed' });
      const after = await seat.readLease();
      expect(after).toMatchObject({ token, beat: 1, isEnded, instance: leader.who.instance });
      expect(await seat.takeover(bid)).toMatchObject({ outcome: 'taken' });
    });

    test('from a row that was marked since changes nothing', async () => {
      const leader = await openLeader();
      leader.seat.destroy();
      const { seat } = await openSeat();
      const { lease } = await seat.attempt(longMs);
      const { control } = await openControl();
      await control.testify(leader.token, 'confession', 'session-lost');
      const bid = { ...vacant, token: lease.token, beat: lease.beat };
      expect(await seat.takeover(bid)).toEqual({ outcome: 'changed' });
      expect(await seat.takeover({ ...bid, isEnded: true })).toMatchObject({ outcome: 'taken' });
    });

    test('begins at beat 0, not ended, under a greater token than the one before', async () => {
      const leader = await openLeader();
      await leader.seat.beat(leader.token);
      await leader.seat.release(leader.token, 'stopped');
      const next = await openLeader();
      expect(next.token).toBeGreaterThan(leader.token);
      const lease = await next.seat.readLease();
      expect(lease).toMatchObject({ token: next.token, beat: 0, isEnded: false });
    });

    test('has a token above any that its instance ever saw, whatever the row says', async () => {
      const { seat } = await openSeat();
      await seat.attempt(longMs);
      const highestToken = 1_000_000_000_000_000n;
      expect(await take(seat, { highestToken })).toBe(highestToken + 1n);
      await seat.release(highestToken + 1n, 'stopped');
      const next = await openLeader(); // which never saw it but in the row
      expect(next.token).toBe(highestToken + 2n);
    });

    test('without the seat is refused', async () => {
      const { seat } = await openSeat();
      const taken = seat.takeover(vacant);
      await expect(taken).rejects.toMatchObject({ code: 'LOCKD_UNCERTAIN', isRetryable: true });
    });
  });

  describe('a beat', () => {
    test('of who leads counts up', async () => {
      const { seat, token } = await openLeader();
      expect(await seat.beat(token)).toBe(true);
      expect(await seat.beat(token)).toBe(true);
      expect(await seat.readLease()).toMatchObject({ token, beat: 2 });
    });

    test('of who lost is refused: another token, no seat, an ended term', async () => {
      const { seat, token } = await openLeader();
      const { seat: outside } = await openSeat();
      expect(await seat.beat(token - 1n)).toBe(false);
      expect(await seat.beat(token + 1n)).toBe(false);
      expect(await outside.beat(token)).toBe(false);
      const { control } = await openControl();
      await control.testify(token, 'testimony', 'its process died');
      expect(await seat.beat(token)).toBe(false);
      expect(await seat.readLease()).toMatchObject({ token, beat: 0, isEnded: true });
    });
  });
}
