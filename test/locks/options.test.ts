import { describe, expect, test } from 'vitest';
import { settleAtOnce, settleRequest } from '../../src/core/locks/options.ts';
import { settleLocks } from '../../src/core/locks/settings.ts';
import { LockManager } from '../../src/index.ts';
import { query } from '../support/database.ts';
import { lockDatabase } from './database.ts';

const refused = (options: object, resource: unknown = 'order:1'): unknown => {
  try {
    return settleRequest(resource as string, options);
  } catch (error) {
    return error;
  }
};

describe('what does not fit is refused with what was expected and what came', () => {
  test.each<[string, unknown]>([
    ['empty', ''],
    ['over-long', 'x'.repeat(201)],
    ['over-long, counted as people do', '👍'.repeat(201)],
    ['with a NUL', 'a\0b'],
    ['with a line break', 'a\nb'],
    ['ill-formed', 'a\ud800'],
    ['a number', 7],
    ['nothing', null],
    ['an object', { toString: () => 'order:1' }],
  ])('a resource that is %s', (_, resource) => {
    expect(refused({}, resource)).toMatchObject({
      code: 'LOCKD_INVALID_OPTION',
      message: expect.stringMatching(/`resource` to be 1 to 200 well-formed characters/),
    });
  });

  test.each<[object, RegExp]>([
    [{ owner: '' }, /`owner` to be 1 to 200/],
    [{ owner: 'x'.repeat(201) }, /`owner` to be 1 to 200/],
    [{ owner: 'a\u001b[2J' }, /`owner` to be 1 to 200/],
    [{ reason: 'x'.repeat(501) }, /`reason` to be 1 to 500/],
    [{ reason: 7 }, /`reason` to be 1 to 500.*got 7/],
    [
      { metadata: { much: 'x'.repeat(4_096) } },
      /`metadata` .* JSON can hold in 4 096 bytes.* takes 4107 b/,
    ],
    [{ metadata: { much: 'x'.repeat(99_999) } }, /`metadata` .* JSON can hold in 4 096 bytes/],
    [{ mode: { permits: 2, permit: 3 } }, /no option `permit` in `mode`. Did you mean `permits`/],
    [{ metadata: [] }, /`metadata` to be an object/],
    [{ metadata: null }, /`metadata` to be an object/],
    [{ metadata: { text: '\0' } }, /NUL/],
    [{ ttlMs: 0 }, /`ttlMs` to be from 1 ms to a day, got 0/],
    [{ ttlMs: -1 }, /`ttlMs`.*got -1/],
    [{ ttlMs: Number.NaN }, /`ttlMs`.*got NaN/],
    [{ ttlMs: Number.POSITIVE_INFINITY }, /`ttlMs`.*got Infinity/],
    [{ ttlMs: '5000' }, /`ttlMs`.*got "5000"/],
    [{ waitMs: -1 }, /`waitMs` to be from 0 ms to a day, got -1/],
    [{ waitMs: Number.NaN }, /`waitMs`.*got NaN/],
    [{ waitMs: Number.POSITIVE_INFINITY }, /`waitMs`.*got Infinity/],
    [{ keepAlive: 'yes', ttlMs: 5 }, /`keepAlive` to be true or false/],
    [{ keepAlive: true }, /`keepAlive` to come with a `ttlMs`/],
    [{ signal: {} }, /`signal` to be an object with the methods/],
    [{ mode: 'read' }, /`mode` to be 'exclusive', 'shared' or .*got "read"/],
    [{ mode: null }, /`mode` to be 'exclusive'/],
    [{ mode: { permits: 0 } }, /got "permits: 0"/],
    [{ mode: { permits: 1.5 } }, /got "permits: 1.5"/],
    [{ mode: { permits: 10_001 } }, /permits: 1 to 10000/],
    [{ mode: { places: 2 } }, /permits: undefined/],
    [{ ttlMS: 5 }, /no option `ttlMS` here\. Did you mean `ttlMs`\?/],
    [{ timeout: 5 }, /no option `timeout` here\. There are: `mode`/],
  ])('%j', (options, message) => {
    expect(refused(options)).toMatchObject({
      code: 'LOCKD_INVALID_OPTION',
      message: expect.stringMatching(message),
    });
  });

  test('metadata that JSON cannot hold', () => {
    expect(refused({ metadata: { price: 7n } })).toMatchObject({
      message: expect.stringMatching(/`metadata` to be an object that JSON can hold.*BigInt/),
    });
  });

  test('what is only for those who wait, where nobody waits', () => {
    expect(() => settleAtOnce('order:1', { waitMs: 5 } as object)).toThrow(
      'There is no option `waitMs` here',
    );
  });

  test.each<[object, RegExp]>([
    [{ ttlMs: 0 }, /`ttlMs` to be from 500 ms/],
    [{ reportAfterMs: 0 }, /`reportAfterMs` to be from 1 ms/],
    [{ reportAfterMS: 5 }, /Did you mean `reportAfterMs`\?/],
    [{ name: 'orders' }, /There is no option `name`/],
    [{ takeover: 'fast' }, /There is no option `takeover`/],
  ])('of a manager: %j', (options, message) => {
    expect(() => new LockManager({ connectionString: 'postgres://nowhere', ...options })).toThrow(
      expect.objectContaining({
        code: 'LOCKD_INVALID_OPTION',
        message: expect.stringMatching(message),
      }),
    );
  });
});

test('before anything is connected to, by rejecting, and never by throwing', async () => {
  const locks = new LockManager({ connectionString: 'postgres://nowhere.invalid' });
  const invalid = expect.objectContaining({ code: 'LOCKD_INVALID_OPTION' });
  const routine = (): void => {};
  const calls: (() => Promise<unknown>)[] = [
    () => locks.acquire(''),
    () => locks.tryAcquire('a', { waitMs: 1 } as object),
    () => locks.using('', routine),
    () => locks.using('a', {}, 'routine' as never),
    () => locks.using('a', undefined as never),
    () => locks.once('a', { waitMs: 1 } as object, routine),
    () => locks.acquireAll('ab' as never),
    () => locks.acquireAll(['a', 'b', 'a']),
    () => locks.acquireAll(['a', '']),
    () => locks.acquireAll([], { ttlMs: 0 }),
    () => locks.isLocked(''),
    () => locks.holderOf(''),
    () => locks.inspect(''),
    () => locks.list({ stalerThanMs: -1 }),
    () => locks.list({ stalerThan: 1 } as object),
    () => locks.forceRelease('', { by: 'anna', reason: 'stuck' }),
    () => locks.forceRelease('a', undefined as never),
    () => locks.forceRelease('a', { by: '', reason: 'stuck' }),
    () => locks.forceRelease('a', { by: 'anna' } as never),
    () => locks.forceRelease('a', { by: 'anna', reason: 'stuck', graceMs: Number.NaN }),
    () => locks.forceRelease('a', { by: 'anna', reason: 'stuck', grace: 1 } as never),
  ];
  for (const call of calls) await expect(call(), String(call)).rejects.toEqual(invalid);
  await expect(locks.forceRelease('a', { by: '', reason: 'x' })).rejects.toThrow('`by` to be 1 to');
  expect(locks.stats()).toEqual({ resources: [], operations: [] });
  await locks.stop();
});

test('who stops with a typing error has not stopped anything', async () => {
  await using lockd = await lockDatabase();
  const locks = lockd.manager();
  expect(() => locks.stop({ forced: true } as object)).toThrow('Did you mean `force`?');
  expect((await locks.acquire('order:1')).isHeld()).toBe(true);
});

test('what reads like an attack is a name like any other', async () => {
  await using lockd = await lockDatabase();
  const locks = lockd.manager();
  const names = [
    `'; drop table lockd.hold; --`,
    '$1',
    '%s\\',
    '{"a",NULL}',
    '__proto__',
    ' ',
    'null',
    '👩‍👩‍👧‍👦'.repeat(28),
    'e\u0301',
    'é',
    'İ',
  ];
  for (const mode of ['exclusive', 'shared', { permits: 2 }] as const) {
    for (const name of names) {
      const details = { owner: name, reason: name, metadata: { [name]: name } };
      await using hold = await locks.acquire(name, { mode, ...details });
      expect(hold).toMatchObject({ resource: name, owner: name });
      expect(await locks.inspect(name)).toMatchObject({
        resource: name,
        holders: [{ resource: name, owner: name, details: { reason: name } }],
      });
      const [holder] = (await locks.inspect(name)).holders;
      expect(holder?.details.metadata).toEqual({ [name]: name });
      expect(await locks.list()).toHaveLength(1);
    }
  }
  expect(await query(lockd.url, 'select from lockd.hold where is_held')).toEqual([]);
});

test('metadata is what it was when it was asked for', async () => {
  const metadata = { step: 1 };
  const { details } = settleRequest('order:1', { metadata });
  metadata.step = 2;
  expect(details.metadata).toEqual({ step: 1 });
});

test('the lease of a process has a name of its own, and the durations of a controller', () => {
  const { candidate, reportAfterMs, rules } = settleLocks({ ttlMs: 3_000 });
  expect(candidate.name).toBe(`lockd:process:${candidate.instance}`);
  expect({ reportAfterMs, ttlMs: rules.ttlMs }).toEqual({ reportAfterMs: 10_000, ttlMs: 3_000 });
});
