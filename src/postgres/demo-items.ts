/**
 * What the demo works on and is judged by: a queue of items, and a mark for everything that was done
 * to one of them. Marks are only ever added, and no constraint forbids to do an item twice or by
 * halves or out of turn: the fence and the transaction have to, or the judgement would prove nothing.
 */
import { type DatabaseOptions, settleDatabase } from './connection.ts';
import { Session } from './session.ts';
import * as statements from './statements.ts';

export interface Verdict {
  readonly processed: number;
  /** Items that were finished more than once. */
  readonly twice: number;
  /** Items that were begun and not finished by whoever began them. */
  readonly cutInHalf: number;
  /** Items that were passed over, or taken and finished by nobody. */
  readonly lost: number;
  /** Marks by a leader after its successor's first one. */
  readonly outOfTurn: number;
  /** Not wrong: items whose leader was ended in the middle, so that the next one did them. */
  readonly interrupted: number;
}

/** One leader's hold on the work. Undefined where it has done none. */
export interface Handover {
  /** From the last item that was finished under the old token to the first one begun under the new. */
  readonly gapMs: number | undefined;
}

const timeoutMs = 10_000;

export const createItems = (options: DatabaseOptions, items: number): Promise<void> =>
  visit(options, async (session, schema) => {
    await session.bounded(
      `create table ${schema}.demo_item (item integer primary key);
       create table ${schema}.demo_mark (
         id bigint generated always as identity primary key,
         item integer not null,
         kind text not null check (kind in ('taken', 'begun', 'finished')),
         token bigint not null,
         at timestamptz not null default clock_timestamp());
       create index on ${schema}.demo_mark (item)`,
    );
    await session.bounded(`insert into ${schema}.demo_item select generate_series(1, $1)`, [items]);
  });

export const dropSchema = (options: DatabaseOptions): Promise<void> =>
  visit(options, async (session, schema) => {
    await session.bounded(`drop schema if exists ${schema} cascade`);
  });

/** Everything is read from the marks; no process is asked what it thinks it has done. */
export const judgeItems = (options: DatabaseOptions): Promise<Verdict> =>
  visit(options, async (session, schema) => {
    const { rows } = await session.bounded(
      `with mark as (
         select *, coalesce(max(token) filter (where kind <> 'taken') over (
                     order by id rows between unbounded preceding and 1 preceding), 0) as highest
         from ${schema}.demo_mark
       ), unit as (
         select item, token,
                count(*) filter (where kind = 'taken') as taken,
                count(*) filter (where kind = 'begun') as begun,
                count(*) filter (where kind = 'finished') as finished
         from mark group by item, token
       ), done as (
         select item, sum(finished) as times, bool_or(begun <> finished) as is_half,
                bool_or(taken > 0 and finished = 0) as is_interrupted
         from unit group by item
       )
       select
         (select count(*) from done where times > 0)::integer as processed,
         (select count(*) from done where times > 1)::integer as twice,
         (select count(*) from done where is_half)::integer as "cutInHalf",
         (select count(*) from ${schema}.demo_item i
          where i.item <= (select max(item) from mark)
            and not exists (select from done d where d.item = i.item and d.times > 0)
         )::integer as lost,
         (select count(*) from mark where kind <> 'taken' and token < highest)::integer as "outOfTurn",
         (select count(*) from done where is_interrupted and times > 0)::integer as interrupted`,
    );
    return rows[0];
  });

export const readHandover = (
  options: DatabaseOptions,
  from: bigint,
  to: bigint,
): Promise<Handover> =>
  visit(options, async (session, schema) => {
    const { rows } = await session.bounded(
      `select (extract(epoch from
                 min(at) filter (where token = $2 and kind = 'begun')
               - max(at) filter (where token = $1 and kind = 'finished')) * 1000)::float8 as gap_ms
       from ${schema}.demo_mark`,
      [from, to],
    );
    return { gapMs: rows[0].gap_ms ?? undefined };
  });

export interface ItemWorker extends AsyncDisposable {
  /** Notes on record which item is next; this note survives whatever happens to its taker. */
  take(token: bigint): Promise<number | undefined>;
  /** Begins and finishes it, in one transaction whose first statement asks the fence. */
  process(name: string, token: bigint, item: number, work: () => Promise<void>): Promise<void>;
}

export async function openItemWorker(options: DatabaseOptions): Promise<ItemWorker> {
  const { schema } = settleDatabase(options);
  const session = await open(options);
  const ask: typeof session.query = (text, values) => session.query(text, values);
  const mark = (item: number, kind: 'begun' | 'finished', token: bigint) =>
    ask(`insert into ${schema}.demo_mark (item, kind, token) values ($1, $2, $3)`, [
      item,
      kind,
      token,
    ]);
  // A frozen worker in the middle of its transaction would hold up the next leader for ever.
  await session.bounded(`set idle_in_transaction_session_timeout = '500ms'`);
  return {
    async take(token) {
      // Without `for update`: row locks would keep a second leader off, and hide that there is one.
      const { rows } = await session.bounded(
        `insert into ${schema}.demo_mark (item, kind, token)
         select i.item, 'taken', $1 from ${schema}.demo_item i
         where not exists (
           select from ${schema}.demo_mark m where m.item = i.item and m.kind = 'finished')
         order by i.item limit 1
         returning item`,
        [token],
      );
      return rows[0]?.item;
    },
    async process(name, token, item, work) {
      await session.bounded('begin');
      await statements.fence(ask, schema, { name, token });
      await mark(item, 'begun', token);
      await work();
      await mark(item, 'finished', token);
      await session.bounded('commit');
    },
    [Symbol.asyncDispose]: () => session.close(),
  };
}

const open = (options: DatabaseOptions): Promise<Session> =>
  Session.open({
    hosts: settleDatabase(options).hosts,
    applicationName: 'lockd:demo',
    timeoutMs,
  });

async function visit<Answer>(
  options: DatabaseOptions,
  ask: (session: Session, schema: string) => Promise<Answer>,
): Promise<Answer> {
  const session = await open(options);
  try {
    return await ask(session, settleDatabase(options).schema);
  } finally {
    await session.close();
  }
}
