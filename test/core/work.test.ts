import { describe, expect, test, vi } from 'vitest';
import { deferred } from '../../src/core/deferred.ts';
import { Work } from '../../src/core/work.ts';
import { settle } from '../../src/testing/fake-clock.ts';

describe('a drain', () => {
  test('of nothing is over at once', async () => {
    await new Work().settled();
  });

  test('waits for everything in flight, however it ends', async () => {
    const work = new Work();
    const [one, two] = [deferred(), deferred()];
    work.track(one.promise);
    work.track(two.promise);
    expect(work.running).toBe(2);
    const drained = vi.fn();
    void work.settled().then(drained);
    one.reject(new Error('boom'));
    await settle();
    expect(drained).not.toHaveBeenCalled();
    two.resolve();
    await settle();
    expect(drained).toHaveBeenCalled();
    expect(work.running).toBe(0);
  });

  test('waits for what was added while it waited', async () => {
    const work = new Work();
    const finish = work.begin();
    const drained = vi.fn();
    void work.settled().then(drained);
    const finishLate = work.begin();
    finish();
    await settle();
    expect(drained).not.toHaveBeenCalled();
    finishLate();
    await settle();
    expect(drained).toHaveBeenCalled();
  });

  test('waits for what was added in the very turn in which the last one finished', async () => {
    const work = new Work();
    const finish = work.begin();
    const drained = vi.fn();
    void work.settled().then(drained);
    finish();
    const finishLate = work.begin();
    await settle();
    expect(drained).not.toHaveBeenCalled();
    finishLate();
    await settle();
    expect(drained).toHaveBeenCalled();
  });

  test('ends for everybody who waits for it', async () => {
    const work = new Work();
    const finish = work.begin();
    const drained = vi.fn();
    void work.settled().then(drained);
    void work.settled().then(drained);
    finish();
    await settle();
    expect(drained).toHaveBeenCalledTimes(2);
  });

  test('counts each piece of work once, however often it says that it has finished', async () => {
    const work = new Work();
    const finish = work.begin();
    work.begin();
    finish();
    finish();
    expect(work.running).toBe(1);
  });

  test('takes any thenable, and the outcome stays with the caller', async () => {
    const work = new Work();
    const mine = Promise.resolve(5);
    work.track(mine);
    expect(await mine).toBe(5);
    await settle();
    expect(work.running).toBe(0);
  });

  test.each([5, undefined, null, 'text'])(
    'does not wait for what is no promise: %s',
    async (value) => {
      const work = new Work();
      work.track(value);
      await work.settled();
    },
  );

  test('ends when a thenable throws instead of answering', async () => {
    const work = new Work();
    work.track({
      // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
      then: () => {
        throw new Error('boom');
      },
    });
    await work.settled();
  });

  test('ends when what it ran returns at once, throws at once, or returns a thenable', async () => {
    const work = new Work();
    const thenable = {
      // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
      then: (yes: (value: number) => void) => yes(5),
    } as PromiseLike<number>;
    expect(await work.run(() => 5)).toBe(5);
    expect(await work.run(() => thenable)).toBe(5);
    const boom = () => {
      throw new Error('boom');
    };
    await expect(work.run(boom)).rejects.toThrow('boom');
    await work.settled();
  });
});

describe('whoever asks', () => {
  test('is recognised as work while it runs, at any depth, and not by another drain', async () => {
    const [work, other] = [new Work(), new Work()];
    const asked: boolean[] = [];
    const ask = () => asked.push(work.isAsking, other.isAsking);
    ask();
    await work.run(async () => {
      await settle();
      ask();
      await other.run(() => ask());
      ask();
    });
    ask();
    expect(asked).toEqual([false, false, true, false, true, true, true, false, false, false]);
  });

  test('is recognised in what work has set up, a timer or a listener, for as long as it runs', async () => {
    const work = new Work();
    const asked = deferred<boolean>();
    await work.run(() => {
      setImmediate(() => asked.resolve(work.isAsking));
      return asked.promise;
    });
    expect(await asked.promise).toBe(true);
  });

  test('is no work any more, once that has finished which began it', async () => {
    const work = new Work();
    const late = deferred();
    let asked: Promise<boolean> | undefined;
    await work.run(() => {
      asked = late.promise.then(() => work.isAsking);
    });
    late.resolve();
    expect(await asked).toBe(false);
  });
});
