import assert from 'node:assert/strict';
import { once } from 'node:events';
import { deferred } from '../../core/deferred.ts';
import type { Hold } from '../../core/locks/hold.ts';
import type { LockManager } from '../../core/locks/manager.ts';
import { eventually, isCoded, type LockCase, named, standing } from './stage.ts';

/** What a program sees of it, through lock managers. */
export const managers: readonly LockCase[] = [
  {
    name: 'of two managers one has it, and the other one has it after the release',
    async run(stage) {
      const [one, two] = [stage.manager(), stage.manager()];
      const order = named('order');
      const first = await one.acquire(order);
      assert.equal(await two.tryAcquire(order), undefined);
      assert.equal(first.isHeld(), true);
      const waiting = two.acquire(order);
      await standing(one, order, 1);
      await first.release();
      assert.equal(first.isHeld(), false);
      const second = await waiting;
      assert.ok(second.isHeld() && second.token > first.token);
      await second.release();
      await second.release();
      assert.equal(await one.isLocked(order), false);
    },
  },
  {
    name: 'many who wait are served, each alone, in the order in which they came',
    async run(stage) {
      const both = [stage.manager(), stage.manager()];
      const order = named('order');
      const first = await both[0]?.acquire(order);
      const served: number[] = [];
      let inside = 0;
      const uses: Promise<void>[] = [];
      for (let index = 0; index < 10; index += 1) {
        const manager = both[index % 2] as LockManager;
        const use = manager.using(order, async (hold) => {
          inside += 1;
          assert.equal(inside, 1);
          assert.equal(hold.isHeld(), true);
          await new Promise(setImmediate);
          served.push(index);
          inside -= 1;
        });
        uses.push(use);
        await standing(manager, order, index + 1);
      }
      await first?.release();
      await Promise.all(uses);
      assert.deepEqual(served, [...uses.keys()]);
    },
  },
  {
    name: 'who waited long enough is told who has it, and is in nobody’s way',
    async run(stage) {
      const [one, two] = [stage.manager(), stage.manager()];
      const order = named('order');
      const first = await one.acquire(order, { owner: 'agent 7' });
      await two.start();
      assert.equal(await two.tryAcquire(order), undefined);
      await assert.rejects(two.acquire(order, { waitMs: 300 }), isCoded('LOCKD_BUSY', /agent 7/));
      await standing(one, order, 0);
      await first.release();
      await (await one.acquire(order, { waitMs: 10_000 })).release();
    },
  },
  {
    name: 'a wait that is aborted rejects with the reason, and leaves nothing behind',
    async run(stage) {
      const [one, two] = [stage.manager(), stage.manager()];
      const order = named('order');
      const first = await one.acquire(order);
      const abort = new AbortController();
      const why = new Error('enough');
      const waits = Array.from({ length: 20 }, () =>
        two.acquire(order, { signal: abort.signal }).catch((error: unknown) => error),
      );
      await standing(one, order, waits.length);
      abort.abort(why);
      for (const wait of waits) assert.equal(await wait, why);
      await standing(one, order, 0);
      await first.release();
      await eventually(async () => !(await one.isLocked(order)), 'it is free');
    },
  },
  {
    name: 'an owner that asks again is told so, and nothing is counted twice',
    async run(stage) {
      const [one, two] = [stage.manager(), stage.manager()];
      const order = named('order');
      const hold = await one.acquire(order, { owner: 'agent 7' });
      for (const manager of [one, two]) {
        const again = manager.acquire(order, { owner: 'agent 7' });
        await assert.rejects(again, isCoded('LOCKD_ALREADY_HELD'));
      }
      await hold.release();
      assert.equal(await two.isLocked(order), false);
    },
  },
  {
    name: 'another number of permits is refused with both numbers',
    async run(stage) {
      const [one, two] = [stage.manager(), stage.manager()];
      const gpu = named('gpu');
      const hold = await one.acquire(gpu, { mode: { permits: 2 } });
      const other = two.acquire(gpu, { mode: { permits: 3 } });
      await assert.rejects(other, isCoded('LOCKD_MODE_MISMATCH', /3 permits.*2 permits/));
      await hold.release();
    },
  },
  {
    name: 'what runs already is not run beside it',
    async run(stage) {
      const [one, two] = [stage.manager(), stage.manager()];
      const job = named('job');
      const answer = await one.once(job, async () => {
        const other = { owner: named('owner') };
        const beside = await two.once(job, other, () => assert.fail('it runs twice'));
        assert.ok(beside.status === 'already-running');
        return beside.holder?.resource;
      });
      assert.deepEqual(answer, { status: 'ran', value: job });
      assert.equal((await two.once(job, () => 'again')).status, 'ran');
    },
  },
  {
    name: 'all or none',
    async run(stage) {
      const [one, two] = [stage.manager(), stage.manager()];
      const [a, b] = [named('a'), named('b')];
      const hold = await one.acquire(b);
      await assert.rejects(two.acquireAll([b, a], { waitMs: 0 }), isCoded('LOCKD_BUSY'));
      await eventually(async () => !(await one.isLocked(a)), 'what was had is given back');
      await hold.release();
      const all = await two.acquireAll([b, a]);
      assert.deepEqual(
        all.holds.map(({ resource }) => resource),
        [b, a],
      );
      await all.release();
    },
  },
  {
    name: 'of two owners that wait for each other one is told so, within seconds',
    async run(stage) {
      const [one, two] = [stage.manager(), stage.manager()];
      const [x, y] = [named('x'), named('y')];
      const first = await one.acquire(x, { owner: 'a' });
      const second = await two.acquire(y, { owner: 'b' });
      const waits: Promise<unknown>[] = [
        one.acquire(y, { owner: 'a' }).finally(() => first.release()),
        two.acquire(x, { owner: 'b' }).finally(() => second.release()),
      ];
      const outcomes = await Promise.allSettled(waits);
      const refused = outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
      assert.equal(refused.length, 1);
      assert.ok(isCoded('LOCKD_DEADLOCK', /"[ab]" waits for .*, kept by "[ab]"/)(refused[0]));
      for (const each of outcomes) {
        if (each.status === 'fulfilled') await (each.value as Hold).release();
      }
    },
  },
  {
    name: 'its time is a hard limit: its holder is told before anybody else has it',
    async run(stage) {
      const [one, two] = [stage.manager(), stage.manager()];
      const order = named('order');
      const hold = await one.acquire(order, { ttlMs: 100 });
      const next = await two.using(order, ({ token }) => ({ token, wasTold: hold.signal.aborted }));
      assert.ok(isCoded('LOCKD_HOLD_EXPIRED')(hold.signal.reason));
      assert.ok(next.wasTold && next.token > hold.token);
      await hold.release();
    },
  },
  {
    name: 'extended, it lasts longer, and everybody sees for how long',
    async run(stage) {
      const one = stage.manager();
      const order = named('order');
      const hold = await one.acquire(order, { ttlMs: 30_000 });
      await hold.extend(600_000);
      assert.ok(hold.isHeld() && hold.leftMs() > 30_000);
      const [holder] = (await one.inspect(order)).holders;
      assert.ok((holder?.details.ttlMs ?? 0) >= 600_000);
      await hold.release();
      await assert.rejects(hold.extend(1_000), isCoded('LOCKD_HOLD_LOST'));
    },
  },
  {
    name: 'taken by force: asked first, then taken, and its holder is told of both',
    async run(stage) {
      const [one, two] = [stage.manager(), stage.manager()];
      const order = named('order');
      const hold = await one.acquire(order);
      const asked = once(hold.signal, 'abort');
      const force = { by: 'anna', reason: 'stuck' };
      const forced = two.forceRelease(order, { ...force, graceMs: 200 });
      await asked;
      assert.ok(isCoded('LOCKD_HOLD_ASKED', /anna: stuck/)(hold.signal.reason));
      assert.equal((await forced).taken[0]?.token, hold.token);
      const next = await two.acquire(order);
      await hold.release();
      assert.equal(next.isHeld(), true);
      assert.equal((await one.holderOf(order))?.token, next.token);
      const released = two.forceRelease(order, { ...force, graceMs: 10_000 });
      await once(next.signal, 'abort');
      await next.release();
      assert.equal((await released).released[0]?.token, next.token);
    },
  },
  {
    name: 'a manager that stops lets go of everything once its routines are done, and then has nothing',
    async run(stage) {
      const [one, two] = [stage.manager(), stage.manager()];
      const order = named('order');
      const begun = deferred();
      const held: Hold[] = [];
      const running = one.using(order, async (hold) => {
        held.push(hold);
        begun.resolve();
        await once(hold.signal, 'abort');
        assert.equal(await two.tryAcquire(order), undefined);
      });
      await begun.promise;
      const next = two.acquire(order);
      const stopped = one.stop();
      await Promise.allSettled([running]);
      await stopped;
      assert.ok((await next).token > (held[0]?.token ?? 0n));
      await assert.rejects(one.acquire(order), isCoded('LOCKD_STOPPED'));
      assert.equal((await two.inspect(order)).waiters.length, 0);
    },
  },
];
