import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { memoryLockManager } from '../../src/core/locks/memory.ts';
import { deferred } from '../support/wait.ts';

test('what a routine asks for within, however deep, has its owner; beside it nobody has', async () => {
  await using locks = memoryLockManager({});
  await locks.using('a', { owner: 'agent-7' }, async () => {
    await turn();
    await locks.using('b', async (b) => {
      expect(b.owner).toBe('agent-7');
      await using c = await locks.acquire('c');
      expect(c.owner).toBe('agent-7');
      expect((await locks.once('d', ({ owner }) => owner)).status).toBe('ran');
      await using e = await locks.acquire('e', { owner: 'agent-8' });
      expect(e.owner).toBe('agent-8');
    });
    await expect(locks.acquire('a')).rejects.toMatchObject({ code: 'LOCKD_ALREADY_HELD' });
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
    expect(await left).toBe('outer');
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
