import assert from 'node:assert/strict';
import {
  asked,
  had,
  heard,
  type LockCase,
  named,
  place,
  seen,
  shared,
  stood,
  want,
} from './stage.ts';

/** The quick way: exclusive holds, many in one question. */
export const taking: readonly LockCase[] = [
  {
    name: 'what is free is taken, all in one question, each under a token',
    async run(stage) {
      const { store, token } = await stage.process();
      const wanted = ['a', 'b', 'c'].map((each) => want(named(each)));
      const tokens = await store.take(token, wanted);
      assert.deepEqual(
        tokens.map((each) => typeof each),
        ['bigint', 'bigint', 'bigint'],
      );
      const { holdings } = await store.queues(wanted.map(({ resource }) => resource));
      assert.deepEqual(
        new Map(holdings.map(({ request, token: granted, slot }) => [request, [granted, slot]])),
        new Map(wanted.map(({ request }, index) => [request, [tokens[index], 0]])),
      );
    },
  },
  {
    name: 'what is held is not taken, and keeps nothing else of the question from being taken',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const [busy, free] = [named('busy'), named('free')];
      const mine = want(busy);
      await had(one, mine);
      const tokens = await two.store.take(two.token, [want(busy), want(free)]);
      assert.equal(tokens[0], undefined);
      assert.equal(typeof tokens[1], 'bigint');
      assert.deepEqual(await seen(two, busy), { held: [mine.request], waiting: [] });
    },
  },
  {
    name: 'of two processes that take the same at the same time, one has it',
    async run(stage) {
      const both = [await stage.process(), await stage.process()];
      const resources = Array.from({ length: 20 }, (_, index) => named(`${index}`));
      const answers = await Promise.all(
        both.map(({ store, token }) =>
          store.take(
            token,
            [...resources].sort().map((each) => want(each)),
          ),
        ),
      );
      for (const index of resources.keys()) {
        const tokens = answers.map((tokens) => tokens[index]).filter((each) => each !== undefined);
        assert.ok(tokens.length <= 1, 'two have it');
      }
      const [one] = both;
      assert.equal((await one?.store.queues(resources))?.holdings.length, resources.length);
    },
  },
  {
    name: 'nothing is taken where others share it, or have places',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const [page, gpu] = [named('page'), named('gpu')];
      await had(one, shared(page));
      await had(one, place(gpu, 3));
      const tokens = await two.store.take(two.token, [want(page), want(gpu)]);
      assert.deepEqual([tokens[0], tokens[1]], [undefined, undefined]);
    },
  },
  {
    name: 'what was given back is free',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const mine = want(named('order'));
      await had(one, mine);
      assert.deepEqual(await one.store.drop([mine]), [true]);
      assert.deepEqual(await seen(one, mine.resource), { held: [], waiting: [] });
      await had(two, want(mine.resource));
    },
  },
  {
    name: 'many are given back in one question, each with its own answer',
    async run(stage) {
      const { store, token } = await stage.process();
      const wanted = ['a', 'b', 'c'].map((each) => want(named(each)));
      await store.take(token, wanted.slice(0, 2));
      assert.deepEqual(await store.drop(wanted), [true, true, false]);
      const { holdings } = await store.queues(wanted.map(({ resource }) => resource));
      assert.deepEqual(holdings, []);
    },
  },
  {
    name: 'what is somebody else’s is not given back, nor anything twice',
    async run(stage) {
      const { store, token } = await stage.process();
      const mine = want(named('order'));
      await store.take(token, [mine]);
      assert.deepEqual(await store.drop([want(mine.resource)]), [false]);
      assert.deepEqual(await store.drop([mine]), [true]);
      assert.deepEqual(await store.drop([mine]), [false]);
    },
  },
  {
    name: 'given back, it is whoever’s who waits for it',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const [mine, theirs] = [want(named('order'))].flatMap((each) => [each, want(each.resource)]);
      assert.ok(mine && theirs);
      await one.store.take(one.token, [mine]);
      await stood(two, theirs);
      assert.deepEqual(await one.store.drop([want(named('another')), mine]), [false, true]);
      await heard(two, theirs);
      assert.deepEqual(await seen(one, mine.resource), { held: [theirs.request], waiting: [] });
    },
  },
  {
    name: 'tokens of a resource only grow: in every way of having it, in every process',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const resource = named('order');
      const tokens: bigint[] = [];
      for (const process of [one, two, one]) {
        const mine = want(resource);
        // After another use of it one may have to ask.
        const [taken] = await process.store.take(process.token, [mine]);
        tokens.push(taken ?? (await had(process, mine)).token);
        await process.store.drop([mine]);
        for (const wanted of [want(resource), shared(resource), place(resource, 2)]) {
          tokens.push((await had(process, wanted)).token);
          await process.store.leave(resource, wanted.request);
        }
      }
      assert.deepEqual(tokens, [...new Set(tokens)].sort(byValue));
    },
  },
  {
    name: 'a wait is granted under a greater token than the hold before it, by itself',
    async run(stage) {
      const one = await stage.process();
      const [first, second] = [want(named('order'))].flatMap((each) => [each, want(each.resource)]);
      assert.ok(first && second);
      const { token } = await had(one, first);
      await stood(one, second);
      await one.store.leave(first.resource, first.request);
      assert.ok((await heard(one, second)).token > token);
    },
  },
  {
    name: 'nothing is granted under a lease that is over',
    async run(stage) {
      const [gone, other] = [await stage.process(), await stage.process()];
      await gone.end();
      const resource = named('order');
      assert.equal((await gone.store.take(gone.token, [want(resource)]))[0], undefined);
      const answer = await asked(gone, want(resource), false);
      assert.notEqual(answer.is, 'granted');
      assert.deepEqual(await seen(other, resource), { held: [], waiting: [] });
      await had(other, want(resource));
    },
  },
];

const byValue = (one: bigint, other: bigint): number => (one < other ? -1 : 1);
