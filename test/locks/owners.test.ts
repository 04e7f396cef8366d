import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { memoryLockManager } from '../../src/core/locks/memory.ts';
import { deferred } from '../support/wait.ts';

test('what a routine asks for within, however deep, is named after its owner; beside it nothing is', async () => {
  await using locks = memoryLockManager({});
  await locks.using('a', { owner: 'agent-7' }, async () => {
    await turn();
    await locks.using('b', async (b) => {
      expect(b.owner).toBe('agent-7/1');
      await using c = await locks.acquire('c');
      expect(c.owner).toBe('agent-7/1/1');
      const d = await locks.once('d', ({ owner }) => owner);
      expect(d).toMatchObject({ value: 'agent-7/1/2' });
      await using e = await locks.acquire('e', { owner: 'agent-8' });
      expect(e.owner).toBe('agent-8');
    });
    await using both = await locks.acquireAll(['f', 'g']);
    expect(both.holds.map(({ owner }) => owner)).toEqual(['agent-7/2', 'agent-7/2']);
    await using h = await locks.acquire('h');
    expect(h.owner).toBe('agent-7/3');
  });
  await using one = await locks.acquire('a');
  await using two = await locks.acquire('b');
  expect(one.owner).toMatch(/^#/);
  expect(two.owner).not.toBe(one.owner);
});

test('what a routine has left behind has no owner any more, when it has settled', async () => {
  await using locks = memoryLockManager({});
  const after = deferred();
  let left: Promise<string> | undefined;
  const owner = await locks.using('a', async (hold) => {
    left = after.promise.then(() => locks.using('b', (late) => late.owner));
    return hold.owner;
  });
  after.resolve();
  expect(await left).not.toBe(owner);
  expect(await left).toMatch(/^#/);
});

test('what an inner routine has left behind belongs to the outer one, while that runs', async () => {
  await using locks = memoryLockManager({});
  const after = deferred();
  await locks.using('a', { owner: 'outer' }, async () => {
    let left: Promise<string> | undefined;
    await locks.using('b', { owner: 'inner' }, () => {
      left = after.promise.then(() => locks.using('c', (late) => late.owner));
    });
    after.resolve();
    expect(await left).toBe('outer/1');
  });
});

test('whose routines it is asked for in is told from the innermost outwards, each once, and no more than 32', async () => {
  await using locks = memoryLockManager({});
  const nest = async (deep: number): Promise<readonly string[]> => {
    if (deep < 40) return locks.using(`r${deep}`, { owner: `o${deep >> 1}` }, () => nest(deep + 1));
    await using _last = await locks.acquire('last');
    return (await locks.holderOf('last'))?.details.within ?? [];
  };
  const twenty = Array.from({ length: 20 }, (_, index) => `o${19 - index}`);
  expect(await nest(0)).toEqual(twenty);
  expect(await nest(-40)).toEqual([
    ...twenty,
    ...Array.from({ length: 12 }, (_, i) => `o${-1 - i}`),
  ]);
});

test('a server that was started within serves those who lock the same in turn', async () => {
  await using locks = memoryLockManager({});
  const served = await locks.using('server', async () => {
    let inside = 0;
    const server = createServer((_, response) => {
      const answer = locks.using('stock', async ({ owner }) => {
        inside += 1;
        expect(inside).toBe(1);
        await turn();
        inside -= 1;
        return owner;
      });
      answer.then((owner) => response.end(owner)).catch(() => response.destroy());
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const asked = Array.from({ length: 5 }, async () =>
      (await fetch(`http://127.0.0.1:${port}`, { headers: { connection: 'close' } })).text(),
    );
    return Promise.all(asked).finally(() => server.close());
  });
  expect(new Set(served).size).toBe(5);
});

test('who names an owner stands for nobody else', async () => {
  await using locks = memoryLockManager({});
  await locks.using('a', { owner: 'agent-7' }, async () => {
    await using _b = await locks.acquire('b', { owner: 'agent-8' });
    expect((await locks.holderOf('b'))?.details.within).toBeUndefined();
    expect(await locks.tryAcquire('a', { owner: 'agent-8' })).toBeUndefined();
  });
});

test('an owner whose name leaves no room for more is followed by one that is made up', async () => {
  await using locks = memoryLockManager({});
  const long = 'é'.repeat(199);
  await locks.using('a', { owner: long }, async () => {
    await using b = await locks.acquire('b');
    expect(b.owner).toMatch(/^#/);
    await expect(locks.acquire('a')).rejects.toMatchObject({ code: 'LOCKD_ALREADY_HELD' });
  });
});

test('a listener is no part of the routine that has set it off', async () => {
  await using locks = memoryLockManager({});
  const owners: Promise<string>[] = [];
  locks.on('resource.locked', ({ resource }) => {
    if (resource === 'b') owners.push(locks.using('c', ({ owner }) => owner));
  });
  await locks.using('a', { owner: 'agent-7' }, () => locks.using('b', () => turn()));
  expect(await Promise.all(owners)).toEqual([expect.stringMatching(/^#/)]);
});
