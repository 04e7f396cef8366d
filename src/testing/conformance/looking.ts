import assert from 'node:assert/strict';
import {
  allHeard,
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

/** Who has what, and taking it away. */
export const looking: readonly LockCase[] = [
  {
    name: 'everything about a hold and a wait can be seen',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const resource = named('order');
      const lines: unknown[] = [1, { of: 'it' }];
      const details = { reason: 'shipping', metadata: { lines }, ttlMs: 5_000 };
      const asSaid = structuredClone(details);
      const mine = want(resource, { owner: 'agent 7', details });
      const theirs = want(resource, { owner: 'agent 8', details: { reason: 'printing' } });
      const { token, slot } = await had(one, mine);
      lines.push('later');
      await stood(two, theirs);
      const { holdings, waitings } = await two.store.queues([resource]);
      const [hold] = holdings;
      const [wait] = waitings;
      assert.ok(hold !== undefined && wait !== undefined);
      const { since, forMs, process, label: _label, ...rest } = hold;
      assert.deepEqual(rest, {
        ...mine,
        details: asSaid,
        token,
        slot,
        processToken: one.token,
        isSilent: false,
      });
      assert.ok(since instanceof Date && Number.isFinite(since.getTime()));
      assert.ok(forMs >= 0 && forMs < 60_000);
      assert.deepEqual(
        [wait.request, wait.owner, wait.mode, wait.details, wait.processToken],
        [theirs.request, 'agent 8', 'exclusive', { reason: 'printing' }, two.token],
      );
      assert.notEqual(process, wait.process);
      assert.equal(typeof wait.number, 'bigint');
    },
  },
  {
    name: 'how a resource is used can be seen, and waits have numbers that grow',
    async run(stage) {
      const one = await stage.process();
      const [page, gpu] = [named('page'), named('gpu')];
      await had(one, shared(page));
      await stood(one, want(page));
      await stood(one, shared(page));
      await had(one, place(gpu, 1));
      await stood(one, place(gpu, 1));
      const ofPage = await one.store.queues([page]);
      assert.deepEqual(
        ofPage.holdings.map(({ mode }) => mode),
        ['shared'],
      );
      assert.deepEqual(
        ofPage.waitings.map(({ mode }) => mode),
        ['exclusive', 'shared'],
      );
      const [first, second] = ofPage.waitings;
      assert.ok(first !== undefined && second !== undefined && first.number < second.number);
      const ofGpu = await one.store.queues([gpu]);
      const modes = [...ofGpu.holdings, ...ofGpu.waitings].map(({ mode }) => mode);
      assert.deepEqual(modes, [{ permits: 1 }, { permits: 1 }]);
    },
  },
  {
    name: 'one sees the resources that one asks for, or all',
    async run(stage) {
      const one = await stage.process();
      const [first, second, third] = [want(named('a')), want(named('b')), want(named('c'))];
      for (const wanted of [first, second, third]) await had(one, wanted);
      const some = await one.store.queues([first.resource, third.resource]);
      assert.deepEqual(
        some.holdings.map(({ request }) => request),
        [first.request, third.request],
      );
      const all = new Set((await one.store.queues()).holdings.map(({ request }) => request));
      for (const { request } of [first, second, third]) assert.ok(all.has(request));
      assert.deepEqual(await one.store.queues([]), { holdings: [], waitings: [] });
    },
  },
  {
    name: 'any name that is well-formed is a name of its own',
    async run(stage) {
      const one = await stage.process();
      const names = ["'; drop table hold; --", '"', '\\', '{a,b}', 'é', 'e\u0301', '🔒', ' ', '%'];
      const resources = [
        ...names.map((each) => `${named('')}${each}`),
        `${named('')}${'🔒'.repeat(150)}`,
      ];
      for (const resource of resources) {
        const mine = want(resource, { owner: resource, details: { reason: resource } });
        await had(one, mine);
        const [hold] = (await one.store.queues([resource])).holdings;
        assert.deepEqual(
          [hold?.resource, hold?.owner, hold?.details.reason],
          [resource, resource, resource],
        );
        assert.equal(await one.store.leave(resource, mine.request), true);
      }
    },
  },
  {
    name: 'what people are told of a hold can be replaced while it is held',
    async run(stage) {
      const one = await stage.process();
      const mine = want(named('order'), { details: { reason: 'before', ttlMs: 1_000 } });
      const { resource, request } = mine;
      const { token } = await had(one, mine);
      const [before] = (await one.store.queues([resource])).holdings;
      assert.equal(
        await one.store.describe(resource, request, { reason: 'after', ttlMs: 9 }),
        true,
      );
      const [after] = (await one.store.queues([resource])).holdings;
      assert.deepEqual(after?.details, { reason: 'after', ttlMs: 9 });
      assert.deepEqual([after?.token, after?.since], [token, before?.since]);
      assert.equal(await one.store.describe(resource, want(resource).request, {}), false);
      await one.store.leave(resource, request);
      assert.equal(await one.store.describe(resource, request, {}), false);
    },
  },
  {
    name: 'holders are asked for it, all of them, and hold it still',
    async run(stage) {
      const [one, two, third] = [
        await stage.process(),
        await stage.process(),
        await stage.process(),
      ];
      const page = named('page');
      const [first, second] = [shared(page), shared(page)];
      await had(one, first);
      await had(two, second);
      const both = [first.request, second.request];
      const told = await third.store.askBack(page, both, 'anna', 'stuck');
      assert.deepEqual([...told].sort(), both.sort());
      const facts = { is: 'asked', by: 'anna', reason: 'stuck' } as const;
      assert.deepEqual(await allHeard(one), [{ ...facts, request: first.request }]);
      assert.deepEqual(await allHeard(two), [{ ...facts, request: second.request }]);
      assert.equal((await seen(third, page)).held.length, 2);
      assert.deepEqual(await third.store.askBack(named('free'), both, 'anna', 'stuck'), []);
    },
  },
  {
    name: 'only who is named is asked for it',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const page = named('page');
      const [first, second] = [shared(page), shared(page)];
      await had(one, first);
      await had(two, second);
      const requests = [first.request, want(page).request];
      assert.deepEqual(await two.store.askBack(page, requests, 'anna', 'stuck'), [first.request]);
      assert.deepEqual(await allHeard(two), []);
    },
  },
  {
    name: 'what is taken away is told, and whoever waits has it',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const [mine, next] = [want(named('order'))].flatMap((each) => [each, want(each.resource)]);
      assert.ok(mine && next);
      const { token } = await had(one, mine);
      await stood(two, next);
      const { resource, request } = mine;
      assert.deepEqual(await two.store.takeBack(resource, [request], 'anna', 'stuck'), [request]);
      assert.ok((await heard(two, next)).token > token);
      assert.deepEqual(await allHeard(one), [
        { is: 'taken', request, by: 'anna', reason: 'stuck' },
      ]);
      assert.deepEqual(await one.store.drop([mine]), [false]);
      assert.equal(await one.store.leave(resource, request), false);
      assert.deepEqual((await seen(one, resource)).held, [next.request]);
    },
  },
  {
    name: 'only what is named is taken away, and nothing twice',
    async run(stage) {
      const one = await stage.process();
      const page = named('page');
      const [first, second] = [shared(page), shared(page)];
      await had(one, first);
      await had(one, second);
      const take = (...requests: string[]): Promise<readonly string[]> =>
        one.store.takeBack(page, requests, 'anna', 'stuck');
      assert.deepEqual(await take(want(page).request), []);
      assert.deepEqual(await take(first.request, want(page).request), [first.request]);
      assert.deepEqual(await take(first.request), []);
      assert.deepEqual((await seen(one, page)).held, [second.request]);
    },
  },
  {
    name: 'housekeeping disturbs nothing that is held or waited for',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const [mine, next] = [want(named('order'))].flatMap((each) => [each, want(each.resource)]);
      assert.ok(mine && next);
      await had(one, mine);
      await stood(two, next);
      await one.store.clearAway?.();
      assert.deepEqual(await seen(one, mine.resource), {
        held: [mine.request],
        waiting: [next.request],
      });
      assert.equal((await asked(one, want(mine.resource), false)).is, 'busy');
    },
  },
];
