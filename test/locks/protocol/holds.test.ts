import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { useDatabase } from '../../postgres/backends.ts';
import { until } from '../../support/wait.ts';
import { type Had, Holder } from './processes.ts';

const lockd = useDatabase();

let resources = 0;
const fresh = (): string => `order:${++resources}`;

describe('tokens', () => {
  test('of one resource grow from use to use, though the clock has gone back', async () => {
    const resource = fresh();
    const one = await Holder.begin(lockd);
    const first = (await one.take(resource)) as Had;
    await one.leave(resource, first);
    // As if it had been granted by a clock that has been put back since.
    await one.backend.query('update lockd.hold set token = $2 where resource = $1', [
      resource,
      first.token + 3_600_000_000n,
    ]);
    const tokens = [first.token];
    for (const use of ['shared', 'exclusive', 2, 'exclusive'] as const) {
      const hold = await one.ask(resource, use);
      tokens.push(hold.token);
      await one.leave(resource, hold);
    }
    tokens.push(((await one.take(resource)) as Had).token);
    expect(new Set(tokens).size).toBe(6);
    expect(tokens).toEqual([...tokens].sort((less, more) => (less < more ? -1 : 1)));
  });

  test('grow beyond those of rows that were cleared away, though the clock has gone back', async () => {
    const resource = fresh();
    const one = await Holder.begin(lockd);
    const hold = (await one.take(resource)) as Had;
    await one.leave(resource, hold);
    const ahead = hold.token + 7_200_000_000n;
    await one.backend.query(
      `update lockd.hold set token = $2, since = since - interval '2 hours' where resource = $1`,
      [resource, ahead],
    );
    await one.backend.query('select lockd.clear_away()');
    expect(
      await one.backend.query('select from lockd.hold where resource = $1', [resource]),
    ).toEqual([]);
    expect(((await one.take(resource)) as Had).token).toBeGreaterThan(ahead);
  });
});

describe('what is free', () => {
  test('of three places is three, whichever rows are left', async () => {
    const resource = fresh();
    const one = await Holder.begin(lockd);
    const client = await lockd.connect();
    const holds: Had[] = [];
    for (let place = 1; place <= 3; place += 1) holds.push(await one.ask(resource, 3));
    await client.query('begin');
    await client.query('select lockd.fence_hold($1, $2)', [resource, holds[2]?.token]);
    for (const hold of holds) await one.leave(resource, hold);
    await one.backend.query(
      `update lockd.hold set since = since - interval '2 hours' where resource = $1`,
      [resource],
    );
    await one.backend.query('select lockd.clear_away()');
    await client.query('commit');
    for (const slot of [1, 2, 3]) {
      expect(await one.ask(resource, 3, false)).toMatchObject({ status: 'granted', slot });
    }
    expect(await one.ask(resource, 3, false)).toMatchObject({ status: 'busy' });
  });

  test('is what was granted while the lease under it was ending: whoever waits has it at the next look', async () => {
    const resource = fresh();
    const [one, two] = [await Holder.begin(lockd), await Holder.begin(lockd)];
    const ending = await lockd.connect();
    // The end does not see the grant, which is not committed; the wait does not see the end.
    await one.backend.query('begin');
    const late = await one.take(resource);
    expect(late).toBeDefined();
    await ending.query('begin');
    await ending.testify(one.process, one.token);
    await one.backend.query('commit');
    const wait = await two.ask(resource, 'exclusive');
    expect(wait.status).toBe('queued');
    await ending.query('commit');
    await two.look(resource);
    expect(await two.holders(resource)).toEqual([wait.request]);
  });

  test('is everything of a process whose lease ends, and its waits are over', async () => {
    const [first, second, third] = [fresh(), fresh(), fresh()];
    const [one, two] = [await Holder.begin(lockd), await Holder.begin(lockd)];
    await one.take(first);
    await one.ask(second, 'shared');
    const elsewhere = await two.ask(third, 'exclusive');
    expect((await one.ask(third, 'exclusive')).status).toBe('queued');
    const waits = [await two.ask(first, 'exclusive'), await two.ask(second, 'exclusive')];
    await two.backend.listen(two.process);
    await one.end();
    for (const [index, resource] of [first, second].entries()) {
      expect(await two.holders(resource)).toEqual([waits[index]?.request]);
    }
    expect(await two.holders(third)).toEqual([elsewhere.request]);
    expect(
      await two.backend.query('select from lockd.waiter where process = $1', [one.process]),
    ).toEqual([]);
    await two.backend.query('select');
    await until(() => two.backend.notifications.length === 2);
    expect(two.backend.notifications.map(({ payload }) => payload)).toEqual(
      waits.map(({ request }) => expect.objectContaining({ kind: 'granted', request })),
    );
  });
});

describe('in a new epoch', () => {
  test('a doubt is over with the lease that it is about, even where the two did not see each other', async () => {
    const resource = fresh();
    const [one, two] = [await Holder.begin(lockd), await Holder.begin(lockd)];
    await two.backend.query(
      'insert into lockd.doubt (process, process_token, ttl_ms) values ($1, $2, 1000)',
      [one.process, one.token],
    );
    const wait = await two.ask(resource, 'exclusive');
    expect(wait.status).toBe('queued');
    expect(await two.take(fresh())).toBeUndefined();
    // Ended by somebody who does not see the doubt.
    await two.backend.query('alter table lockd.lease disable trigger process_moved');
    await one.end();
    await two.backend.query('alter table lockd.lease enable trigger process_moved');
    expect(await two.take(fresh())).toBeDefined();
    await two.look(resource);
    expect(await two.holders(resource)).toEqual([wait.request]);
    expect(await two.backend.query('select from lockd.doubt')).toEqual([]);
  });

  test('tokens are above those that were forgotten, though the clock has gone back', async () => {
    const resource = fresh();
    const [one, two] = [await Holder.begin(lockd), await Holder.begin(lockd)];
    const ahead = new Date(Date.now() + 3_600_000);
    await one.backend.query('update lockd.lease set beat_at = $2 where lock_id = $1', [
      one.process,
      ahead,
    ]);
    // As a crash leaves them.
    await one.backend.query('truncate lockd.hold, lockd.waiter, lockd.epoch');
    await two.backend.lead(two.process, { waitMs: 1_000 }).catch(() => {});
    const three = await Holder.begin(lockd);
    expect(await three.take(resource)).toBeUndefined();
    for (const { lock_id: process, token } of await three.backend.query(
      'select l.lock_id, l.token from lockd.lease l join lockd.doubt d on d.process = l.lock_id',
    )) {
      await three.backend.testify(process as number, BigInt(token as string));
    }
    const hold = (await three.take(resource)) as Had;
    expect(hold.token).toBeGreaterThan(BigInt(ahead.getTime()) * 1_000n);
  });
});

describe('cleared away', () => {
  test('is what nobody has used for an hour, batch after batch, and nothing else', async () => {
    const one = await Holder.begin(lockd);
    const name = randomUUID();
    const all = Array.from({ length: 8 }, (_, index) => `${name}:${index}`);
    for (const resource of all) await one.take(resource);
    const [held, awaited, fenced, recent, ...idle] = all as [string, string, string, string];
    const client = await lockd.connect();
    const { token } = await client.one('select token from lockd.hold where resource = $1', [
      fenced,
    ]);
    await client.query('begin');
    await client.query('select lockd.fence_hold($1, $2)', [fenced, token]);
    const two = await Holder.begin(lockd);
    await two.ask(awaited, 'exclusive');
    await one.backend.query(`update lockd.hold set is_held = false where resource = any ($1)`, [
      [fenced, recent, ...idle],
    ]);
    await one.backend.query(
      `update lockd.hold set since = since - interval '2 hours' where resource = any ($1)`,
      [[held, awaited, fenced, ...idle]],
    );
    let calls = 0;
    for (let behind: unknown = ''; behind !== null; calls += 1) {
      ({ behind } = await one.backend.one('select lockd.clear_away($1, 3) as behind', [behind]));
    }
    expect(calls).toBeGreaterThan(2);
    const left = await one.backend.query(
      'select resource from lockd.hold where starts_with(resource, $1) order by 1',
      [name],
    );
    expect(left.map(({ resource }) => resource)).toEqual([held, awaited, fenced, recent]);
    await client.query('commit');
  });

  test('is what was granted under a lease that is over, and that nobody has asked for since', async () => {
    const resource = fresh();
    const [one, two] = [await Holder.begin(lockd), await Holder.begin(lockd)];
    const ending = await lockd.connect();
    await one.backend.query('begin');
    await one.take(resource);
    await ending.testify(one.process, one.token);
    await one.backend.query('commit');
    const left = 'select is_held from lockd.hold where resource = $1';
    expect(await two.backend.query(left, [resource])).toEqual([{ is_held: true }]);
    await two.backend.query('select lockd.clear_away()');
    expect(await two.backend.query(left, [resource])).toEqual([{ is_held: false }]);
  });

  test('is a process that has been over for an hour or gone for a day, and none that lives, holds or is just beginning', async () => {
    const [over, alive, gone, holding] = [
      await Holder.begin(lockd),
      await Holder.begin(lockd),
      await Holder.begin(lockd),
      await Holder.begin(lockd),
    ];
    await holding.take(fresh());
    await over.end();
    const client = await lockd.connect();
    await client.query(
      `update lockd.lease set beat_at = beat_at - interval '2 days', ended_at = ended_at - interval '2 days'
       where lock_id = any ($1)`,
      [[over, alive, gone, holding].map(({ process }) => process)],
    );
    const { seat: beginning } = await client.one('select lockd.enroll($1) as seat', [
      `lockd:process:${randomUUID()}`,
    ]);
    const { seat: name } = await client.one("select lockd.enroll('a name') as seat");
    for (const each of [over, gone, holding])
      await each.backend.query('select pg_advisory_unlock_all()');
    await client.query('select lockd.forget_processes()');
    const rows = await client.query('select id from lockd.lock order by id');
    const left = rows.map(({ id }) => id);
    expect(left).toEqual(expect.arrayContaining([alive.process, holding.process, beginning, name]));
    expect(left).not.toContain(over.process);
    expect(left).not.toContain(gone.process);
  });
});

test('processes that end at the same time over the same resources do not stand in each other’s way', async () => {
  const names = Array.from({ length: 30 }, fresh);
  const holders = await Promise.all([1, 2, 3, 4].map(() => Holder.begin(lockd)));
  for (const [index, holder] of holders.entries()) {
    // Each holds some and waits for the rest, in an order of its own.
    const turned = [...names.slice(index * 7), ...names.slice(0, index * 7)];
    for (const name of index % 2 === 0 ? turned : turned.reverse()) {
      await holder.ask(name, index < 2 ? 'exclusive' : 'shared');
    }
  }
  const after = await lockd.connect();
  const ends = await Promise.all(holders.map(() => lockd.connect()));
  await Promise.all(
    holders.map(({ process, token }, index) => ends[index]?.testify(process, token)),
  );
  expect(await after.query('select from lockd.waiter where resource = any ($1)', [names])).toEqual(
    [],
  );
  expect(
    await after.query('select from lockd.hold where resource = any ($1) and is_held', [names]),
  ).toEqual([]);
});
