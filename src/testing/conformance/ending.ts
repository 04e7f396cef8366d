import assert from 'node:assert/strict';
import type { Beat } from '../../core/locks/store.ts';
import {
  allHeard,
  asked,
  eventually,
  had,
  heard,
  type LockCase,
  type LockProcess,
  named,
  seen,
  shared,
  stood,
  want,
} from './stage.ts';

/** Processes that end, fall silent, or are forgotten. */
export const ending: readonly LockCase[] = [
  {
    name: 'the lease of a process over, everything is free that hung on it',
    async run(stage) {
      const [gone, other] = [await stage.process(), await stage.process()];
      const [order, page] = [named('order'), named('page')];
      await gone.store.take(gone.token, [want(order)]);
      await had(gone, shared(page));
      await gone.end();
      const { holdings } = await other.store.queues([order, page]);
      assert.deepEqual(holdings, []);
      await had(other, want(order));
      await had(other, want(page));
    },
  },
  {
    name: 'and whoever waits for it is told at once',
    async run(stage) {
      const [gone, other] = [await stage.process(), await stage.process()];
      const resources = [named('a'), named('b')];
      await gone.store.take(
        gone.token,
        resources.map((each) => want(each)),
      );
      const waits = resources.map((each) => want(each));
      for (const wanted of waits) await stood(other, wanted);
      await gone.end();
      for (const wanted of waits) await heard(other, wanted);
      assert.equal((await allHeard(other)).length, waits.length);
    },
  },
  {
    name: 'who waited under a lease that is over is passed over, and told nothing',
    async run(stage) {
      const [one, gone] = [await stage.process(), await stage.process()];
      const resource = named('order');
      const [mine, theirs, next] = [want(resource), want(resource), want(resource)];
      await had(one, mine);
      await stood(gone, theirs);
      await stood(one, next);
      await gone.end();
      assert.deepEqual((await seen(one, resource)).waiting, [next.request]);
      await one.store.leave(resource, mine.request);
      await heard(one, next);
      assert.deepEqual(gone.told, []);
    },
  },
  {
    name: 'a writer whose lease is over lets the readers behind it in',
    async run(stage) {
      const [one, gone] = [await stage.process(), await stage.process()];
      const page = named('page');
      const behind = shared(page);
      await had(one, shared(page));
      await stood(gone, want(page));
      await stood(one, behind);
      await gone.end();
      await heard(one, behind);
    },
  },
  {
    name: 'what a lease that is over held is described and given back in vain',
    async run(stage) {
      const [gone, other] = [await stage.process(), await stage.process()];
      const mine = want(named('order'));
      const { resource, request } = mine;
      await had(gone, mine);
      await gone.end();
      const theirs = want(resource);
      await had(other, theirs);
      assert.equal(await gone.store.describe(resource, request, {}), false);
      assert.deepEqual(await gone.store.drop([mine]), [false]);
      assert.equal(await gone.store.leave(resource, request), false);
      assert.deepEqual((await seen(other, resource)).held, [theirs.request]);
    },
  },
  {
    name: 'the processes that stand before a resource can be watched, and nobody else',
    needs: 'crash',
    async run(stage) {
      const [one, two, elsewhere] = [
        await stage.process(),
        await stage.process(),
        await stage.process(),
      ];
      const resource = named('order');
      await had(one, want(resource));
      await stood(two, want(resource));
      await had(elsewhere, want(named('another')));
      const watcher = await stage.process();
      const beats = await watcher.store.beats([resource]);
      const tokens = new Set(beats.map(({ token }) => token));
      assert.deepEqual(tokens, new Set([one.token, two.token]));
      for (const { ttlMs, isDoubted } of beats) assert.ok(ttlMs > 0 && !isDoubted);
      const own = await one.store.beats([resource]);
      assert.deepEqual(
        own.map(({ token }) => token),
        [two.token],
      );
    },
  },
  {
    name: 'a silent process is ended by whoever saw its latest beat, once',
    needs: 'crash',
    async run(stage) {
      const [silent, other] = [await stage.process(), await stage.process()];
      const resource = named('order');
      const mine = want(resource);
      await had(silent, mine);
      const next = want(resource);
      await stood(other, next);
      const beat = await beatOf(other, silent, resource);
      assert.equal(await other.store.expire({ ...beat, beat: beat.beat + 1 }), false);
      assert.equal(await other.store.expire({ ...beat, token: beat.token - 1n }), false);
      assert.equal(await other.store.expire({ ...beat, session: beat.session + 1 }), false);
      assert.deepEqual((await seen(other, resource)).held, [mine.request]);
      assert.equal(await other.store.expire(beat), true);
      await heard(other, next);
      assert.equal(await other.store.expire(beat), false);
      assert.equal(await silent.store.leave(resource, mine.request), false);
    },
  },
  {
    name: 'after a crash nothing is granted while somebody may still hold what was forgotten',
    needs: 'crash',
    async run(stage) {
      const survivor = await stage.process();
      const resource = named('order');
      await had(survivor, want(resource));
      await stage.crash?.();
      const next = await stage.process();
      assert.equal((await next.store.take(next.token, [want(resource)]))[0], undefined);
      assert.equal((await asked(next, want(resource), false)).is, 'doubtful');
      const waits = [want(resource), want(named('another'))];
      for (const wanted of waits) await stood(next, wanted);
      assert.deepEqual(next.told, []);
      const beat = await beatOf(next, survivor, resource);
      assert.equal(beat.isDoubted, true);
      assert.equal(await next.store.expire(beat), true);
      for (const wanted of waits) await heard(next, wanted);
      const [taken] = await next.store.take(next.token, [want(named('third'))]);
      assert.equal(typeof taken, 'bigint');
    },
  },
  {
    name: 'after a crash a process that leaves is no doubt any more, and a newer one never is',
    needs: 'crash',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      await stage.crash?.();
      const next = await stage.process();
      const newer = await stage.process();
      const wanted = want(named('order'));
      await stood(next, wanted);
      await one.end();
      assert.deepEqual(next.told, []);
      const doubted = (await next.store.beats([])).filter(({ isDoubted }) => isDoubted);
      assert.deepEqual(
        doubted.map(({ token }) => token),
        [two.token],
      );
      await two.end();
      await heard(next, wanted);
      await had(newer, want(named('another')));
    },
  },
  {
    name: 'after a crash tokens grow on',
    needs: 'crash',
    async run(stage) {
      const one = await stage.process();
      const resource = named('order');
      const { token } = await had(one, want(resource));
      await one.end();
      await stage.crash?.();
      const next = await stage.process();
      let after: bigint | undefined;
      await eventually(async () => {
        [after] = await next.store.take(next.token, [want(resource)]);
        return after !== undefined;
      }, 'nobody is doubted');
      assert.ok((after as bigint) > token);
    },
  },
];

async function beatOf(
  watcher: LockProcess,
  { token }: LockProcess,
  resource: string,
): Promise<Beat> {
  const beat = (await watcher.store.beats([resource])).find((each) => each.token === token);
  assert.ok(beat !== undefined, 'the process is not watched');
  return beat;
}
