import assert from 'node:assert/strict';
import { deferred } from '../../core/deferred.ts';
import type { LockManager } from '../../core/locks/manager.ts';
import { isCoded, type LockCase, named, standing } from './stage.ts';

/** Routines, what they ask for within, and their branches. */
export const owners: readonly LockCase[] = [
  {
    name: 'branches of one routine have the same resource in turn',
    async run(stage) {
      const both = [stage.manager(), stage.manager()] as const;
      const printer = named('printer');
      const branches = 4;
      let inside = 0;
      let served = 0;
      const print = (manager: LockManager): Promise<void> =>
        manager.using(printer, async () => {
          inside += 1;
          assert.equal(inside, 1);
          if (served === 0) await standing(manager, printer, branches - 1);
          served += 1;
          inside -= 1;
        });
      await both[0].using(named('batch'), { owner: named('owner') }, async () => {
        await Promise.all(
          Array.from({ length: branches }, (_, index) => print(both[index % 2 === 0 ? 0 : 1])),
        );
      });
      assert.equal(served, branches);
    },
  },
  {
    name: 'what one branch has is not free for another one, and is not run beside it',
    async run(stage) {
      const [one, two] = [stage.manager(), stage.manager()];
      const order = named('order');
      await one.using(named('batch'), async () => {
        await using hold = await one.acquire(order);
        for (const manager of [one, two]) {
          assert.equal(await manager.tryAcquire(order), undefined);
          const beside = await manager.once(order, () => assert.fail('it runs twice'));
          assert.ok(beside.status === 'already-running');
          assert.equal(beside.holder?.owner, hold.owner);
        }
        assert.equal(hold.isHeld(), true);
      });
    },
  },
  {
    name: 'branches share what is shared, and have a place each',
    async run(stage) {
      const one = stage.manager();
      for (const mode of ['shared', { permits: 2 }] as const) {
        const page = named('page');
        await one.using(named('batch'), async () => {
          const together = deferred();
          let inside = 0;
          const read = async (): Promise<void> => {
            inside += 1;
            if (inside === 2) together.resolve();
            await together.promise;
          };
          await Promise.all([one.using(page, { mode }, read), one.using(page, { mode }, read)]);
        });
      }
    },
  },
  {
    name: 'what a routine holds is refused at once to what it asks for within, however deep',
    async run(stage) {
      const [one, two] = [stage.manager(), stage.manager()];
      const [order, owner] = [named('order'), named('owner')];
      const refused = isCoded('LOCKD_ALREADY_HELD', new RegExp(`^"${owner}" already holds`));
      const askAgain = async (): Promise<void> => {
        for (const manager of [one, two]) {
          await assert.rejects(manager.acquire(order), refused);
          await assert.rejects(manager.acquire(order, { mode: 'shared' }), refused);
          await assert.rejects(manager.tryAcquire(order), refused);
          await assert.rejects(
            manager.once(order, () => assert.fail('it runs')),
            refused,
          );
          await assert.rejects(manager.acquireAll([named('a'), order]), refused);
        }
      };
      await one.using(order, { owner }, async () => {
        await askAgain();
        await two.using(named('inner'), () => one.using(named('innermost'), askAgain));
      });
      const hold = await two.acquire(order, { owner });
      await one.using(named('outer'), { owner }, () => two.using(named('inner'), askAgain));
      await hold.release();
      await one.using(order, ({ owner: madeUp }) =>
        assert.rejects(
          two.acquire(order),
          isCoded('LOCKD_ALREADY_HELD', new RegExp(`^"${madeUp}" already holds`)),
        ),
      );
      assert.deepEqual((await one.inspect(order)).waiters, []);
    },
  },
  {
    name: 'branches that hold and wait crosswise are no circle, and one through routines is, and says so',
    async run(stage) {
      const [one, two] = [stage.manager(), stage.manager()];
      const [x, y] = [named('x'), named('y')];
      const enough = deferred();
      const held = [deferred(), deferred()] as const;
      const branches = (manager: LockManager, has: string, wants: string, at: 0 | 1) =>
        manager.using(named('batch'), async () => {
          const holding = manager.using(has, async () => {
            held[at].resolve();
            await enough.promise;
          });
          await Promise.all(held.map(({ promise }) => promise));
          await Promise.all([holding, manager.using(wants, () => {})]);
        });
      const finished = Promise.all([branches(one, x, y, 0), branches(two, y, x, 1)]);
      try {
        await standing(one, x, 1);
        await standing(one, y, 1);
        // The look of each that finds its circle finds what there is of others.
        await Promise.all([circleOf(one, two), circleOf(two, one)]);
      } finally {
        enough.resolve();
        await finished;
      }
    },
  },
];

/** Two routines, each of which waits within for what the other one holds. Until the younger was told. */
async function circleOf(older: LockManager, younger: LockManager): Promise<void> {
  const [x, y, a, b] = [named('x'), named('y'), named('a'), named('b')];
  const [hasX, hasY] = [deferred(), deferred()];
  const first = older.using(x, { owner: a }, async () => {
    hasX.resolve();
    await hasY.promise;
    await older.using(y, () => {});
  });
  await hasX.promise;
  const second = younger.using(y, { owner: b }, async () => {
    hasY.resolve();
    await standing(younger, y, 1);
    await younger.using(x, () => assert.fail('both have it'));
  });
  const chain = `"${a}/1" waits for "${y}", kept by "${b}", whose "${b}/1" waits for "${x}", kept by "${a}"`;
  await assert.rejects(
    second,
    isCoded('LOCKD_DEADLOCK', new RegExp(`^"${b}/1" cannot have "${x}": ${chain}\\.`)),
  );
  await first;
}
