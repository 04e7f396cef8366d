import { checkName, duration, expect } from '../core/checks.ts';
import { refuseUnknown } from '../core/known.ts';
import { expectVersion } from './checks.ts';
import { type DatabaseOptions, databaseOptions } from './connection.ts';
import { visit } from './visit.ts';

/** One term of a name: who led, from when to when, and why it ended. Times are the server's. */
export interface TermRecord {
  /** Its fencing token; greater than that of every term before. */
  readonly token: bigint;
  /** The uuid of its controller: `controller.instance`. */
  readonly instance: string;
  /** Its `label`: by default `hostname:pid`. */
  readonly label: string;
  readonly startedAt: Date;
  /** Undefined, as the next two, while it lasts, and where nobody has yet said that it ended. */
  readonly endedAt: Date | undefined;
  /**
   * `release`: itself, in order; `confession`: itself, after a loss; `testimony`: its guard;
   * `takeover`: whoever came next, after its silence. The end is its last beat then.
   */
  readonly endedBy: string | undefined;
  /** Why, as the `passive` event says it; of a testimony, what its guard saw. */
  readonly reason: string | undefined;
  /** How long nobody led before it, in ms; undefined for the first of all. */
  readonly gapMs: number | undefined;
  /** Its lease is live: beaten within its TTL, not marked ended. */
  readonly isRunning: boolean;
  /** Of the latest term, while nobody has said that it ended: its last beat, or its takeover. */
  readonly lastBeatAt: Date | undefined;
}

export interface HistoryOptions {
  /** Only terms that lasted, or began, within so long before now. */
  readonly sinceMs?: number | undefined;
  /** Not more than this, the latest. @default 100 */
  readonly limit?: number | undefined;
}

/** As many as are kept of a name. */
const most = 1_000;

const aDecade = { ms: 10 * 365 * 24 * 60 * 60 * 1000, inWords: 'ten years' };

/**
 * The terms of a name, the newest last; empty where nobody has ever led it. A thousand are kept of each.
 * Works through any pooler, needs only to read the schema, and writes nothing.
 */
export async function readHistory(
  options: DatabaseOptions,
  name: string,
  { sinceMs, limit = 100, ...rest }: HistoryOptions = {},
): Promise<readonly TermRecord[]> {
  refuseUnknown(options, databaseOptions);
  refuseUnknown({ sinceMs, limit, ...rest }, { sinceMs: true, limit: true });
  checkName(name);
  if (sinceMs !== undefined) duration('sinceMs', sinceMs, 1, aDecade);
  const isNumber = Number.isInteger(limit) && limit >= 1 && limit <= most;
  expect(isNumber, `\`limit\` to be a whole number from 1 to ${most}`, limit);
  return visit(options, 'lockd:history', (look, schema) =>
    look(async (ask) => {
      const { rows } = await ask(statement(schema), [name, sinceMs ?? null, limit]);
      expectVersion(schema, Number(rows[0].version));
      return (rows[0].terms ?? []).map(termOf);
    }),
  );
}

const statement = (schema: string): string => `
select (select max(m.version) from ${schema}.migration m) as version,
  (select json_agg(n order by n.token) from (
     select t.token, json_build_object(
       'token', t.token::text, 'instance', t.instance, 'label', t.label, 'startedAt', t.started_at,
       'endedAt', t.ended_at, 'endedBy', t.ended_by, 'reason', t.reason, 'gapMs', t.gap_ms,
       'lastBeatAt', l.beat_at,
       'isRunning', coalesce(l.beat_at >= clock_timestamp() - l.ttl_ms * interval '1 ms', false)) as facts
     from ${schema}.term t
     join ${schema}.lock k on k.id = t.lock_id
     left join ${schema}.lease l
       on l.lock_id = t.lock_id and l.token = t.token and l.ended_at is null
     where k.name = $1 and ($2::float8 is null
       or coalesce(t.ended_at, 'infinity') >= clock_timestamp() - $2 * interval '1 ms')
     order by t.token desc limit $3) n) as terms`;

// biome-ignore lint/suspicious/noExplicitAny: the one place where rows get their types
function termOf({ facts }: any): TermRecord {
  const { token, startedAt, endedAt, endedBy, reason, gapMs, lastBeatAt } = facts;
  return {
    ...facts,
    token: BigInt(token),
    startedAt: new Date(startedAt),
    endedAt: endedAt === null ? undefined : new Date(endedAt),
    endedBy: endedBy ?? undefined,
    reason: reason ?? undefined,
    gapMs: gapMs ?? undefined,
    lastBeatAt: lastBeatAt === null ? undefined : new Date(lastBeatAt),
  };
}
