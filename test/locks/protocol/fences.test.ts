import { describe, expect, test } from 'vitest';
import { type Backend, useDatabase } from '../../postgres/backends.ts';
import { type Had, Holder, type Use } from './processes.ts';

const lockd = useDatabase();

const isolations = ['read committed', 'repeatable read', 'serializable'];

const fence = (client: Backend, resource: string, { token }: Had) =>
  client.query('select lockd.fence_hold($1, $2)', [resource, token]);

let resources = 0;
const fresh = (): string => `order:${++resources}`;

/** From one use of a resource to the next: what waits for a transaction that is fenced with the first. */
const successions: [Use, Use][] = [
  ['exclusive', 'exclusive'],
  ['exclusive', 'shared'],
  ['exclusive', 2],
  ['shared', 'exclusive'],
  ['shared', 2],
  [1, 1],
  [2, 1],
  [2, 'exclusive'],
  [2, 'shared'],
];

describe.each(isolations)('a fenced transaction, %s,', (isolation) => {
  test.each(successions)(
    'that runs holds up the next grant until it ends: from %s to %s',
    async (use, next) => {
      const resource = fresh();
      const [one, two] = [await Holder.begin(lockd), await Holder.begin(lockd)];
      const client = await lockd.connect();
      const hold = await one.ask(resource, use);
      expect(hold.status).toBe('granted');
      await client.query(`begin isolation level ${isolation}`);
      await fence(client, resource, hold);
      // Neither the way back is held up, nor others that stand in line, look, or give up.
      expect(await one.leave(resource, hold)).toBe(true);
      const wait = await two.ask(resource, next);
      expect(wait.status).toBe('queued');
      expect((await two.ask(resource, next, false)).status).toBe('busy');
      expect(await two.take(resource)).toBeUndefined();
      await two.look(resource);
      expect(await two.holders(resource)).toEqual([]);
      await client.query('commit');
      await two.look(resource);
      expect(await two.holders(resource)).toEqual([wait.request]);
    },
  );

  test('that runs is not overtaken by the quick way', async () => {
    for (const use of ['exclusive', 'shared', 2] as const) {
      const resource = fresh();
      const [one, two] = [await Holder.begin(lockd), await Holder.begin(lockd)];
      const client = await lockd.connect();
      const hold = await one.ask(resource, use);
      await client.query(`begin isolation level ${isolation}`);
      await fence(client, resource, hold);
      await one.leave(resource, hold);
      expect(await two.take(resource)).toBeUndefined();
      expect(await two.take(resource, fresh())).toBeUndefined();
      await client.query('commit');
      const next = (await two.take(resource)) ?? (await two.ask(resource, 'exclusive'));
      expect(next.token).toBeGreaterThan(hold.token);
    }
  });

  test.each(successions)(
    'that comes too late is refused, however old its snapshot: from %s to %s',
    async (use, next) => {
      const resource = fresh();
      const [one, two] = [await Holder.begin(lockd), await Holder.begin(lockd)];
      const client = await lockd.connect();
      const hold = await one.ask(resource, use);
      await client.query(`begin isolation level ${isolation}`);
      await client.query('select from lockd.hold');
      await one.leave(resource, hold);
      expect((await two.ask(resource, next)).status).toBe('granted');
      await expect(fence(client, resource, hold)).rejects.toMatchObject({
        code: expect.stringMatching(/^(LKD01|40001)$/),
      });
      await client.query('rollback');
      await client.query('begin');
      await expect(fence(client, resource, hold)).rejects.toMatchObject({ code: 'LKD01' });
      await client.query('rollback');
    },
  );

  test.each([0, 1])(
    'that comes too late for the quick way is refused, beside %i others',
    async (others) => {
      const resource = fresh();
      const beside = Array.from({ length: others }, fresh);
      const [one, two] = [await Holder.begin(lockd), await Holder.begin(lockd)];
      const client = await lockd.connect();
      const hold = (await one.take(resource, ...beside)) as Had;
      await client.query(`begin isolation level ${isolation}`);
      await client.query('select from lockd.hold');
      await one.leave(resource, hold);
      const next = (await two.take(resource, ...beside)) as Had;
      expect(next.token).toBeGreaterThan(hold.token);
      await expect(fence(client, resource, hold)).rejects.toMatchObject({
        code: expect.stringMatching(/^(LKD01|40001)$/),
      });
      await client.query('rollback');
    },
  );

  test('is refused once the hold was given back, though nobody has the resource yet', async () => {
    const resource = fresh();
    const one = await Holder.begin(lockd);
    const client = await lockd.connect();
    const hold = (await one.take(resource)) as Had;
    await one.leave(resource, hold);
    await client.query(`begin isolation level ${isolation}`);
    await expect(fence(client, resource, hold)).rejects.toMatchObject({ code: 'LKD01' });
    await client.query('rollback');
  });

  test('is refused where the process is over, though nobody has the resource yet', async () => {
    const resource = fresh();
    const one = await Holder.begin(lockd);
    const client = await lockd.connect();
    const hold = (await one.take(resource)) as Had;
    await one.end();
    await client.query(`begin isolation level ${isolation}`);
    await expect(fence(client, resource, hold)).rejects.toMatchObject({ code: 'LKD01' });
    await client.query('rollback');
  });

  test('is refused under what was granted while the lease was ending', async () => {
    const resource = fresh();
    const one = await Holder.begin(lockd);
    const client = await lockd.connect();
    await one.backend.query('begin');
    const late = (await one.take(resource)) as Had;
    await client.testify(one.process, one.token);
    await one.backend.query('commit');
    await client.query(`begin isolation level ${isolation}`);
    await expect(fence(client, resource, late)).rejects.toMatchObject({ code: 'LKD01' });
    await client.query('rollback');
  });

  test('of a reader holds up no other reader', async () => {
    const resource = fresh();
    const [one, two] = [await Holder.begin(lockd), await Holder.begin(lockd)];
    const client = await lockd.connect();
    const hold = await one.ask(resource, 'shared');
    await client.query(`begin isolation level ${isolation}`);
    await fence(client, resource, hold);
    expect((await two.ask(resource, 'shared')).status).toBe('granted');
    await one.leave(resource, hold);
    expect((await two.ask(resource, 'shared')).status).toBe('granted');
    await client.query('commit');
  });
});
