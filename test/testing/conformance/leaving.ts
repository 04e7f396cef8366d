import { describe, expect, test } from 'vitest';
import {
  candidate,
  caughtUp,
  longMs,
  openControl,
  openLeader,
  openSeat,
  place,
  queue,
  shortMs,
  take,
} from './stage.ts';

/** What the protocol relies on in leaving: the mark, the seat, and what is told. */
export function leaving(): void {
  describe('a release', () => {
    test('is marked before the seat is free: whoever is next reads an ended lease', async () => {
      const leader = await openLeader();
      const { seat } = await openSeat();
      const { answer } = await queue(seat, longMs);
      expect(await leader.seat.release(leader.token, 'stopped')).toBe(true);
      const { isGranted, lease } = await answer;
      expect(isGranted).toBe(true);
      expect(lease).toMatchObject({ token: leader.token, isEnded: true });
      expect(lease).toMatchObject({ instance: leader.who.instance });
    });

    test('of a term that is marked already frees the seat all the same', async () => {
      const leader = await openLeader();
      const { control } = await openControl();
      await control.testify(leader.token, 'confession', 'session-lost');
      expect(await leader.seat.release(leader.token, 'stopped')).toBe(false);
      expect((await (await openSeat()).seat.attempt(longMs)).isGranted).toBe(true);
    });

    test('without the seat marks, tells, and is uncertain', async () => {
      const leader = await openLeader();
      const { seat: outside } = await openSeat();
      const { control, notices } = await openControl();
      const released = outside.release(leader.token, 'stopped');
      await expect(released).rejects.toMatchObject({ code: 'LOCKD_UNCERTAIN', isRetryable: true });
      expect(await leader.seat.readLease()).toMatchObject({ isEnded: true });
      await caughtUp(control);
      expect(notices).toEqual([{ kind: 'released', token: leader.token, reason: 'stopped' }]);
    });

    test('leaves a session that can stand in the queue again', async () => {
      const { seat, token } = await openLeader();
      await seat.release(token, 'resigned');
      expect(await seat.attempt(longMs)).toMatchObject({ isGranted: true, lease: { token } });
      expect(await take(seat, { token, isEnded: true })).toBeGreaterThan(token);
    });
  });

  describe('a testimony', () => {
    test('ends the term without the seat, and says so when it is over already', async () => {
      const leader = await openLeader();
      const { control } = await openControl();
      expect(await control.testify(leader.token, 'testimony', 'its process died')).toBe(true);
      expect(await leader.seat.readLease()).toMatchObject({ token: leader.token, isEnded: true });
      expect(await control.testify(leader.token, 'confession', 'session-lost')).toBe(true);
      const { seat } = await openSeat();
      expect((await seat.attempt(shortMs)).isGranted).toBe(false);
    });

    test('about another token ends nobody, and is over', async () => {
      const leader = await openLeader();
      const { control } = await openControl();
      expect(await control.testify(leader.token - 1n, 'testimony', 'its process died')).toBe(true);
      expect(await leader.seat.beat(leader.token)).toBe(true);
    });
  });

  describe('notices', () => {
    test('tell everybody of a name, in order: what, whose token, and why', async () => {
      const [one, two] = [await openControl(), await openControl()];
      const other = await openControl(candidate({ name: 'another name' }));
      const first = await openLeader(one.who);
      await first.seat.release(first.token, 'resigned');
      const second = await openLeader(two.who);
      await place.askToResign(one.who.name);
      expect(await one.control.testify(second.token, 'confession', 'session-lost')).toBe(true);
      await one.control.testify(second.token, 'confession', 'said twice'); // is told once
      await Promise.all([one, two, other].map(({ control }) => caughtUp(control)));
      expect(one.notices).toEqual([
        { kind: 'taken', token: first.token, reason: undefined },
        { kind: 'released', token: first.token, reason: 'resigned' },
        { kind: 'taken', token: second.token, reason: undefined },
        { kind: 'resign', token: second.token, reason: expect.stringMatching(/^asked /) },
        { kind: 'ended', token: second.token, reason: 'session-lost' },
      ]);
      expect(two.notices).toEqual(one.notices);
      expect(other.notices).toEqual([]);
    });

    test('ask nobody to resign where nobody leads', async () => {
      const { control, notices, who } = await openControl();
      const { seat, token } = await openLeader(who);
      await seat.release(token, 'stopped');
      await place.askToResign(who.name);
      await caughtUp(control);
      expect(notices.map(({ kind }) => kind)).toEqual(['taken', 'released']);
    });

    test('reach nobody who has left', async () => {
      const { control, notices, who } = await openControl();
      await control.close();
      await openLeader(who);
      await caughtUp((await openControl()).control);
      expect(notices).toEqual([]);
    });
  });
}
