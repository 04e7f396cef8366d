import { describe, expect, test } from 'vitest';
import type { Store } from '../../../src/core/store.ts';
import { until } from '../../support/wait.ts';
import {
  broken,
  candidate,
  longMs,
  openControl,
  openLeader,
  openSeat,
  place,
  queue,
} from './stage.ts';

/** What the protocol relies on in sessions: how they begin and end. */
export function sessions(): void {
  describe('the end of a session', () => {
    test('by its client frees the seat, without a mark and without a word', async () => {
      const leader = await openLeader();
      const { seat } = await openSeat();
      const { answer } = await queue(seat, longMs);
      leader.seat.destroy();
      leader.seat.destroy();
      const { isGranted, lease } = await answer;
      expect(isGranted).toBe(true);
      expect(lease).toMatchObject({ token: leader.token, isEnded: false });
      expect(leader.lost).toEqual([]);
      await expect(leader.seat.beat(leader.token)).rejects.toMatchObject(broken);
    });

    test('by its client takes it out of the queue', async () => {
      const leader = await openLeader();
      const [gone, next] = [await openSeat(), await openSeat()];
      const { answer } = await queue(gone.seat, longMs);
      const { answer: nextAnswer } = await queue(next.seat, longMs, 2);
      gone.seat.destroy();
      await expect(answer).rejects.toMatchObject(broken);
      leader.seat.destroy();
      expect((await nextAnswer).isGranted).toBe(true);
    });

    test('by the server is told once, frees the seat, and fails what is asked', async () => {
      const leader = await openLeader();
      const { seat } = await openSeat();
      const { answer } = await queue(seat, longMs);
      await place.terminate(leader.seat.backend);
      await until(() => leader.lost.length > 0);
      expect(leader.lost).toMatchObject([broken]);
      await expect(leader.seat.beat(leader.token)).rejects.toMatchObject(broken);
      expect(await answer).toMatchObject({ isGranted: true, lease: { isEnded: false } });
      leader.seat.destroy();
      expect(leader.lost).toHaveLength(1);
    });

    test('by the server fails an attempt that stands, and takes it out of the queue', async () => {
      const leader = await openLeader();
      const [gone, next] = [await openSeat(), await openSeat()];
      const { answer } = await queue(gone.seat, longMs);
      const { answer: nextAnswer } = await queue(next.seat, longMs, 2);
      await place.terminate(gone.seat.backend);
      await expect(answer).rejects.toMatchObject(broken);
      await until(() => gone.lost.length > 0);
      expect(gone.lost).toMatchObject([broken]);
      leader.seat.destroy();
      expect((await nextAnswer).isGranted).toBe(true);
    });

    test('by the server ends a control session, too', async () => {
      const { seat, token } = await openLeader();
      const { control, lost } = await openControl();
      await place.terminate(control.backend);
      await until(() => lost.length > 0);
      expect(lost).toMatchObject([broken]);
      const testified = control.testify(token, 'confession', 'session-lost');
      await expect(testified).rejects.toMatchObject(broken);
      expect(await seat.beat(token)).toBe(true);
    });

    test('comes when it is silent for too long while nobody leads through it', async () => {
      const leader = await openLeader();
      const { seat, lost } = await openSeat({ ...candidate(), passiveIdleMs: 500 });
      const asked = performance.now();
      expect((await seat.attempt(1_000)).isGranted).toBe(false); // waiting is not silence
      await until(() => lost.length > 0);
      expect(performance.now() - asked).toBeGreaterThan(1_400);
      expect(lost).toMatchObject([broken]);
      expect(await leader.seat.beat(leader.token)).toBe(true);
    });

    test('comes when who leads through it is silent for a TTL', async () => {
      const who = { ...candidate({ ttlMs: 2_500 }), passiveIdleMs: 1_000 };
      const began = performance.now();
      const leader = await openLeader(who);
      const { seat } = await openSeat();
      expect((await seat.attempt(longMs)).isGranted).toBe(true);
      expect(performance.now() - began).toBeGreaterThan(2_400);
      await until(() => leader.lost.length > 0);
    });

    test('comes soon again when it stands by once more', async () => {
      const who = { ...candidate({ ttlMs: 60_000 }), passiveIdleMs: 1_000 };
      const { seat, token, lost } = await openLeader(who);
      await seat.release(token, 'resigned');
      await seat.attempt(longMs);
      await until(() => lost.length > 0);
    });
  });

  describe('the store', () => {
    test('opens nothing for whoever has given up', async () => {
      const given = { signal: AbortSignal.abort(), timeoutMs: 5_000 };
      const hooks = { lost: () => {}, notice: () => {} };
      const { store } = place;
      const calls: (keyof Store)[] = ['openSeat', 'openControl'];
      for (const call of calls) {
        const opening = (store[call] as Store['openControl'])(candidate(), { ...given, hooks });
        await expect(opening).rejects.toThrow(/abort/i);
      }
    });

    test('says that its server takes connections', async () => {
      expect(await place.store.probe(10_000)).toBe('accepting');
    });
  });
}
