import assert from 'node:assert/strict';
import {
  allHeard,
  asked,
  had,
  heard,
  type LockCase,
  named,
  seen,
  shared,
  stood,
  want,
} from './stage.ts';

/** Waiting in line, and leaving it. */
export const standing: readonly LockCase[] = [
  {
    name: 'who does not wait is told who has it, and stands nowhere',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const mine = want(named('order'), { owner: 'agent 7', details: { reason: 'shipping' } });
      const { token } = await had(one, mine);
      const answer = await asked(two, want(mine.resource), false);
      assert.equal(answer.is, 'busy');
      const [holder, ...more] = answer.is === 'busy' ? answer.holders : [];
      assert.equal(more.length, 0);
      assert.equal(holder?.request, mine.request);
      assert.equal(holder?.owner, 'agent 7');
      assert.equal(holder?.token, token);
      assert.equal(holder?.details.reason, 'shipping');
      assert.deepEqual((await seen(two, mine.resource)).waiting, []);
    },
  },
  {
    name: 'who waits is told who has it',
    async run(stage) {
      const one = await stage.process();
      const [mine, other] = [want(named('order'))].flatMap((each) => [each, want(each.resource)]);
      assert.ok(mine && other);
      await had(one, mine);
      const answer = await asked(one, other);
      assert.ok(answer.is === 'queued');
      assert.deepEqual(
        answer.holders.map(({ request }) => request),
        [mine.request],
      );
    },
  },
  {
    name: 'first come, first served, across processes',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const resource = named('order');
      const first = want(resource);
      await had(one, first);
      const waits = [one, two, two, one].map((process) => ({ process, wanted: want(resource) }));
      for (const { process, wanted } of waits) await stood(process, wanted);
      assert.deepEqual(
        (await seen(one, resource)).waiting,
        waits.map(({ wanted }) => wanted.request),
      );
      await one.store.leave(resource, first.request);
      for (const { process, wanted } of waits) {
        await heard(process, wanted);
        assert.deepEqual((await seen(one, resource)).held, [wanted.request]);
        await process.store.leave(resource, wanted.request);
      }
    },
  },
  {
    name: 'who takes does not come before who waits',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const [first, next] = [want(named('order'))].flatMap((each) => [each, want(each.resource)]);
      assert.ok(first && next);
      await had(one, first);
      await stood(two, next);
      await one.store.leave(first.resource, first.request);
      assert.equal((await one.store.take(one.token, [want(first.resource)]))[0], undefined);
      await heard(two, next);
    },
  },
  {
    name: 'a grant is told once, to the process that waits for it, and with what the hold has',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const [first, next] = [want(named('order'))].flatMap((each) => [each, want(each.resource)]);
      assert.ok(first && next);
      await had(one, first);
      await stood(two, next);
      await one.store.leave(first.resource, first.request);
      const { token, slot } = await heard(two, next);
      const [hold] = (await two.store.queues([first.resource])).holdings;
      assert.deepEqual([hold?.request, hold?.token, hold?.slot], [next.request, token, slot]);
      assert.deepEqual(await allHeard(two), [
        { is: 'granted', request: next.request, token, slot: 0 },
      ]);
      assert.deepEqual(await allHeard(one), []);
    },
  },
  {
    name: 'who has it at once is not told once more',
    async run(stage) {
      const one = await stage.process();
      await had(one, want(named('order')));
      assert.deepEqual(await allHeard(one), []);
    },
  },
  {
    name: 'who leaves the line is passed over',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const resource = named('order');
      const [first, gone, next] = [want(resource), want(resource), want(resource)];
      await had(one, first);
      await stood(two, gone);
      await stood(one, next);
      assert.equal(await two.store.leave(resource, gone.request), false);
      await one.store.leave(resource, first.request);
      await heard(one, next);
      assert.deepEqual(await allHeard(two), []);
    },
  },
  {
    name: 'who leaves after it was granted gives it back: the next one has it',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const resource = named('order');
      const [first, second, third] = [want(resource), want(resource), want(resource)];
      await had(one, first);
      await stood(two, second);
      await stood(one, third);
      await one.store.leave(resource, first.request);
      await heard(two, second);
      assert.equal(await two.store.leave(resource, second.request), true);
      await heard(one, third);
      assert.deepEqual(await seen(one, resource), { held: [third.request], waiting: [] });
    },
  },
  {
    name: 'to leave what one never had, or has left, changes nothing',
    async run(stage) {
      const one = await stage.process();
      const mine = want(named('order'));
      assert.equal(await one.store.leave(mine.resource, mine.request), false);
      await had(one, mine);
      assert.equal(await one.store.leave(mine.resource, want(mine.resource).request), false);
      assert.deepEqual((await seen(one, mine.resource)).held, [mine.request]);
      assert.equal(await one.store.leave(mine.resource, mine.request), true);
      assert.equal(await one.store.leave(mine.resource, mine.request), false);
      await had(one, want(mine.resource));
    },
  },
  {
    name: 'an owner holds a resource once, in whichever process it asks again',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const mine = want(named('order'));
      const { resource, owner } = mine;
      await had(one, mine);
      for (const process of [one, two]) {
        const answer = await asked(process, want(resource, { owner }));
        assert.ok(answer.is === 'holds');
        assert.deepEqual(
          answer.holders.map(({ request }) => request),
          [mine.request],
        );
      }
      assert.deepEqual((await seen(one, resource)).waiting, []);
      await had(one, want(named('another'), { owner }));
      await one.store.leave(resource, mine.request);
      await had(two, want(resource, { owner }));
    },
  },
  {
    name: 'an owner waits for a resource once',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const [mine, theirs] = [want(named('order'))].flatMap((each) => [each, want(each.resource)]);
      assert.ok(mine && theirs);
      await had(one, mine);
      await stood(two, theirs);
      const again = want(mine.resource, { owner: theirs.owner });
      assert.equal((await asked(one, again)).is, 'waits');
      assert.deepEqual((await seen(one, mine.resource)).waiting, [theirs.request]);
      await two.store.leave(mine.resource, theirs.request);
      await stood(one, again);
    },
  },
  {
    name: 'what somebody holds is refused to what it asks for within, by name, and what it waits for is not',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const [page, outer, deep] = [named('page'), named('outer'), named('deep')];
      const inner = { owner: deep, details: { within: [named('between'), outer] } };
      const [theirs, mine] = [shared(page), { ...shared(page), owner: outer }];
      await had(one, theirs);
      await had(one, mine);
      for (const mayQueue of [true, false]) {
        const answer = await asked(two, { ...shared(page), ...inner }, mayQueue);
        assert.ok(answer.is === 'holds');
        assert.deepEqual(
          answer.holders.map(({ owner }) => owner),
          [outer],
        );
      }
      await one.store.leave(page, mine.request);
      const waits = want(page, { owner: outer });
      await stood(one, waits);
      await stood(two, want(page, inner));
      assert.equal((await asked(two, want(page, inner))).is, 'waits');
      await one.store.leave(page, waits.request);
      await one.store.leave(page, theirs.request);
      const beside = { owner: named('beside'), details: { within: [outer] } };
      assert.equal((await asked(one, want(page, beside), false)).is, 'busy');
    },
  },
  {
    name: 'a thousand waits that are given up leave nothing behind',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const mine = want(named('order'));
      await had(one, mine);
      const waits = Array.from({ length: 1_000 }, () => want(mine.resource));
      await Promise.all(waits.map((wanted) => stood(two, wanted)));
      assert.equal((await seen(one, mine.resource)).waiting.length, waits.length);
      await Promise.all(waits.map(({ resource, request }) => two.store.leave(resource, request)));
      assert.deepEqual(await seen(one, mine.resource), { held: [mine.request], waiting: [] });
      assert.deepEqual(await one.store.drop([mine]), [true]);
      assert.deepEqual(await allHeard(two), []);
    },
  },
];
