import { execFile } from 'node:child_process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { locked } from '../../src/core/locks/locked.ts';
import { memoryLockManager } from '../../src/core/locks/memory.ts';
import { temporaryFolder } from '../support/folder.ts';
import { deferred, until } from '../support/wait.ts';
import type { classes } from './orders.ts';

const compiler = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));
const source = fileURLToPath(new URL('orders.ts', import.meta.url));

/** As TypeScript compiles them: what the tests run through knows no decorators. */
async function stage() {
  await using folder = await temporaryFolder();
  const how = ['--ignoreConfig', '--noResolve', '--noCheck', '--target', 'es2022'];
  const where = ['--module', 'esnext', '--outDir', folder.path];
  await promisify(execFile)(process.execPath, [compiler, ...how, ...where, source]);
  const compiled = pathToFileURL(`${folder.path}/orders.js`).href;
  const module: { classes: typeof classes } = await import(compiled);
  const [one, two] = [memoryLockManager({}), memoryLockManager({})];
  return {
    ...module.classes(locked, one),
    one,
    two,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([one.stop(), two.stop()]);
    },
  };
}

test('a method runs while it holds what it is called with, with its own this, arguments and answer', async () => {
  await using staged = await stage();
  const { Orders, one } = staged;
  const orders = new Orders(one);
  expect(await orders.ship('7', Promise.resolve())).toBe('acme has shipped 7');
  expect(orders.seen).toMatchObject([{ resource: 'order:7', details: { reason: 'shipping' } }]);
  expect(await orders.count()).toBe(1);
  expect(await orders.bill(3)).toBe('acme:3');
  await expect(orders.fail()).rejects.toThrow('out of stock');
  expect(await orders.outer()).toBe(true);
  expect([orders.ship.name, orders.ship.length]).toEqual(['ship', 2]);
  expect(await one.list()).toEqual([]);
});

test('two calls for the same do not run beside each other, and two for others do', async () => {
  await using staged = await stage();
  const { Orders, one } = staged;
  const orders = new Orders(one);
  const go = deferred();
  const both = [orders.ship('1', go.promise), orders.ship('2', go.promise)];
  await until(() => orders.seen.length === 2);
  await expect(orders.ship('1', go.promise)).rejects.toMatchObject({ code: 'LOCKD_BUSY' });
  go.resolve();
  await Promise.all(both);
});

test('the manager is the one that is named, or is found, or else that of the object', async () => {
  await using staged = await stage();
  const { Job, two } = staged;
  const job = new Job(two);
  expect(await job.named()).toEqual([true, false]);
  expect(await job.found()).toEqual([false, true]);
  expect(await Job.all()).toBe(true);
});

test('a manager that is missing is said, with where it was looked for', async () => {
  await using staged = await stage();
  const { Job, two } = staged;
  const job = new Job(two);
  const missing = {
    code: 'LOCKD_INVALID_OPTION',
    message:
      'There is no lock manager for `run`: `locks` is undefined. Give its object a property `locks`, or `locked` the option `locks`.',
  };
  await expect(job.run()).rejects.toMatchObject(missing);
  const { run } = job;
  await expect(run.call(undefined as never)).rejects.toMatchObject(missing);
  await expect(run.call({ locks: {} } as never)).rejects.toMatchObject({
    code: 'LOCKD_INVALID_OPTION',
    message: expect.stringContaining('`locks` to be an object with the methods `using`'),
  });
});

test('what does not fit is refused where the method is decorated', () => {
  expect(() => locked('')).toThrow('`resource` to be 1 to 200');
  expect(() => locked('job', { waitMS: 5 } as object)).toThrow('Did you mean `waitMs`?');
  expect(() => locked('job', { ttlMs: 0 })).toThrow('`ttlMs` to be from 1 ms');
  expect(() => locked('job')({} as never, {} as never)).toThrow('`method` to be a function');
});
