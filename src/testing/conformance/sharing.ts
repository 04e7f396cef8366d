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

/** Readers and writers, and a number of places. */
export const sharing: readonly LockCase[] = [
  {
    name: 'readers share it, each at a place of its own',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const page = named('page');
      const slots: number[] = [];
      for (const process of [one, two, one]) slots.push((await had(process, shared(page))).slot);
      assert.deepEqual(slots, [1, 2, 3]);
      assert.equal((await seen(one, page)).held.length, 3);
    },
  },
  {
    name: 'nobody reads while somebody writes; afterwards all who wait to read do so at once',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const page = named('page');
      const [writer, first, second] = [want(page), shared(page), shared(page)];
      await had(one, writer);
      assert.equal((await asked(two, shared(page), false)).is, 'busy');
      await stood(two, first);
      await stood(two, second);
      await one.store.leave(page, writer.request);
      await heard(two, first);
      await heard(two, second);
      assert.equal((await seen(one, page)).held.length, 2);
    },
  },
  {
    name: 'a writer waits for every reader',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const page = named('page');
      const [first, second, writer] = [shared(page), shared(page), want(page)];
      await had(one, first);
      await had(two, second);
      await stood(two, writer);
      await one.store.leave(page, first.request);
      assert.deepEqual(await seen(one, page), {
        held: [second.request],
        waiting: [writer.request],
      });
      await two.store.leave(page, second.request);
      assert.equal((await heard(two, writer)).slot, 0);
    },
  },
  {
    name: 'neither starves: readers that come behind a writer wait for it, and the next writer for them',
    async run(stage) {
      const one = await stage.process();
      const page = named('page');
      const [reader, writer, behind, beside, last] = [
        shared(page),
        want(page),
        shared(page),
        shared(page),
        want(page),
      ];
      await had(one, reader);
      for (const wanted of [writer, behind, beside, last]) await stood(one, wanted);
      assert.equal((await asked(one, shared(page), false)).is, 'busy');
      await one.store.leave(page, reader.request);
      await heard(one, writer);
      assert.deepEqual((await seen(one, page)).held, [writer.request]);
      await one.store.leave(page, writer.request);
      await heard(one, behind);
      await heard(one, beside);
      assert.deepEqual((await seen(one, page)).waiting, [last.request]);
      for (const { request } of [behind, beside]) await one.store.leave(page, request);
      await heard(one, last);
    },
  },
  {
    name: 'a writer that gives up lets the readers behind it in',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const page = named('page');
      const [reader, writer, behind] = [shared(page), want(page), shared(page)];
      await had(one, reader);
      await stood(two, writer);
      await stood(one, behind);
      assert.equal(await two.store.leave(page, writer.request), false);
      await heard(one, behind);
      assert.equal((await seen(one, page)).held.length, 2);
    },
  },
  {
    name: 'there are as many places as permits, numbered from 1',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const gpu = named('gpu');
      const slots = [await had(one, place(gpu, 2)), await had(two, place(gpu, 2))];
      assert.deepEqual(
        slots.map(({ slot }) => slot),
        [1, 2],
      );
      assert.equal((await asked(one, place(gpu, 2), false)).is, 'busy');
      await stood(one, place(gpu, 2));
    },
  },
  {
    name: 'one place given back serves one who waits, at that place',
    async run(stage) {
      const one = await stage.process();
      const gpu = named('gpu');
      const holders = [place(gpu, 3), place(gpu, 3), place(gpu, 3)];
      for (const wanted of holders) await had(one, wanted);
      const [next, last] = [place(gpu, 3), place(gpu, 3)];
      await stood(one, next);
      await stood(one, last);
      await one.store.leave(gpu, holders[1]?.request as string);
      assert.equal((await heard(one, next)).slot, 2);
      assert.deepEqual((await seen(one, gpu)).waiting, [last.request]);
      assert.equal((await allHeard(one)).length, 1);
    },
  },
  {
    name: 'the first free place is given',
    async run(stage) {
      const one = await stage.process();
      const gpu = named('gpu');
      const holders = [place(gpu, 4), place(gpu, 4), place(gpu, 4)];
      for (const wanted of holders) await had(one, wanted);
      for (const { request } of [...holders.slice(0, 2)].reverse()) {
        await one.store.leave(gpu, request);
      }
      const slots: number[] = [];
      for (let each = 0; each < 3; each += 1) slots.push((await had(one, place(gpu, 4))).slot);
      assert.deepEqual(slots, [1, 2, 4]);
    },
  },
  {
    name: 'another use of what is held is refused, with how it is used',
    async run(stage) {
      const [one, two] = [await stage.process(), await stage.process()];
      const [gpu, page] = [named('gpu'), named('page')];
      const holder = place(gpu, 2);
      await had(one, holder);
      await had(one, shared(page));
      for (const wanted of [place(gpu, 3), want(gpu), shared(gpu)]) {
        const answer = await asked(two, wanted);
        assert.ok(answer.is === 'mismatch', `${JSON.stringify(wanted.mode)} is ${answer.is}`);
        assert.equal(answer.usedAs, '2 permits');
        assert.equal(answer.holders[0]?.request, holder.request);
      }
      const answer = await asked(two, place(page, 2));
      assert.ok(answer.is === 'mismatch');
      assert.equal(answer.usedAs, 'an exclusive or shared lock');
      assert.deepEqual((await seen(two, gpu)).waiting, []);
    },
  },
  {
    name: 'once nobody has it or waits for it, it may be used in any way',
    async run(stage) {
      const one = await stage.process();
      const gpu = named('gpu');
      for (const wanted of [place(gpu, 2), place(gpu, 5), want(gpu), shared(gpu), place(gpu, 1)]) {
        await had(one, wanted);
        await one.store.leave(gpu, wanted.request);
      }
    },
  },
];
