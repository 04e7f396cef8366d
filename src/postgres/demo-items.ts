import { setTimeout as pause } from 'node:timers/promises';
import { type DatabaseOptions, settleDatabase } from './connection.ts';
import { Session } from './session.ts';
import * as statements from './statements.ts';

/**
 * The table the demo works on, and is judged by: items are numbered, and each time one is worked on
 * leaves a row. Nothing in the table forbids to do one twice or by halves: the lock has to.
 */

export interface ItemWorker extends AsyncDisposable {
  /** Takes the next item and finishes it, in one fenced transaction. Undefined: none is left. */
  workOne(
    name: string,
    token: bigint,
    workMs: number,
    begun: () => void,
  ): Promise<number | undefined>;
}

export interface Verdict {
  readonly processed: number;
  readonly twice: number;
  readonly cutInHalf: number;
  readonly lost: number;
}

const timeoutMs = 10_000;

const open = (options: DatabaseOptions): Promise<Session> =>
  Session.open({
    config: settleDatabase(options).config,
    applicationName: 'lockd-demo',
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

export const createItems = (options: DatabaseOptions): Promise<void> =>
  visit(options, async (session, schema) => {
    await session.bounded(
      `create table ${schema}.demo_work (item integer, token bigint, begun_at timestamptz, finished_at timestamptz)`,
    );
  });

export const dropSchema = (options: DatabaseOptions): Promise<void> =>
  visit(options, async (session, schema) => {
    await session.bounded(`drop schema if exists ${schema} cascade`);
  });

export const judgeItems = (options: DatabaseOptions): Promise<Verdict> =>
  visit(options, async (session, schema) => {
    const { rows } = await session.bounded(
      `select (select count(distinct item) from ${schema}.demo_work where finished_at is not null)::int as processed,
              (select count(*) from (select from ${schema}.demo_work group by item having count(*) > 1) d)::int as twice,
              (select count(*) from ${schema}.demo_work where finished_at is null)::int as half,
              (select coalesce(max(item), 0) - count(distinct item) from ${schema}.demo_work)::int as lost`,
    );
    const { processed, twice, half, lost } = rows[0];
    return { processed, twice, cutInHalf: half, lost };
  });

export async function openItemWorker(options: DatabaseOptions): Promise<ItemWorker> {
  const session = await open(options);
  const { schema } = settleDatabase(options);
  const ask: typeof session.query = (text, values) => session.query(text, values);
  return {
    async workOne(name, token, workMs, begun) {
      await session.bounded('begin');
      await statements.fence(ask, schema, name, token);
      const { rows } = await session.bounded(
        `insert into ${schema}.demo_work (item, token, begun_at)
         select coalesce(max(item), 0) + 1, $1, clock_timestamp() from ${schema}.demo_work
         returning item`,
        [token],
      );
      begun();
      await pause(workMs);
      await session.bounded(
        `update ${schema}.demo_work set finished_at = clock_timestamp() where item = $1 and token = $2`,
        [rows[0].item, token],
      );
      await session.bounded('commit');
      return rows[0].item;
    },
    [Symbol.asyncDispose]: () => session.close(),
  };
}
