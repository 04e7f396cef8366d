/** The statements of a handoff. What the functions do stands in migrations/0004_succession.sql. */
import type { Notice } from '../core/store.ts';
import { onlyRow } from './rows.ts';
import type { Ask } from './statements.ts';

/** Asks `heir` to get ready to lead after the term `token`; `gone`: one of the two is. */
export async function askHandoff(
  ask: Ask,
  schema: string,
  seat: number,
  { token, heir, by, withinMs }: { token: bigint; heir: string; by: string; withinMs: number },
): Promise<'asked' | 'gone' | 'under-way'> {
  const { rows } = await ask(`select ${schema}.ask_handoff($1, $2, $3, $4, $5) as answer`, [
    seat,
    token,
    heir,
    by,
    Math.round(withinMs),
  ]);
  return onlyRow(rows).answer;
}

export async function answerHandoff(
  ask: Ask,
  schema: string,
  seat: number,
  {
    token,
    heir,
    isReady,
    reason,
  }: { token: bigint; heir: string; isReady: boolean; reason: string },
): Promise<boolean> {
  const { rows } = await ask(`select ${schema}.answer_handoff($1, $2, $3, $4, $5) as is_heard`, [
    seat,
    token,
    heir,
    isReady,
    reason,
  ]);
  return onlyRow(rows).is_heard;
}

/** What the heir has said, if it has. */
export async function handoffAnswer(
  ask: Ask,
  schema: string,
  seat: number,
  token: bigint,
  heir: string,
): Promise<{ isReady: boolean; reason: string } | undefined> {
  const { rows } = await ask(
    `select is_ready, note from ${schema}.handoff
     where lock_id = $1 and token = $2 and heir = $3 and is_ready is not null`,
    [seat, token, heir],
  );
  return rows.length === 0 ? undefined : { isReady: rows[0].is_ready, reason: rows[0].note };
}

/** Without a leader before the term `token`, in ms. */
export async function gapBefore(
  ask: Ask,
  schema: string,
  seat: number,
  token: bigint,
): Promise<number> {
  const { rows } = await ask(
    `select coalesce(gap_ms, 0) as gap_ms from ${schema}.term where lock_id = $1 and token = $2`,
    [seat, token],
  );
  return Number(onlyRow(rows).gap_ms);
}

/** What this instance may have been told while nobody listened: once more, from the row. */
export async function missedNotices(
  ask: Ask,
  schema: string,
  seat: number,
  instance: string,
): Promise<Notice[]> {
  const { rows } = await ask(
    `select h.token, h.heir = $2 as is_heir
     from ${schema}.handoff h
     join ${schema}.lease l on l.lock_id = h.lock_id and l.token = h.token and l.ended_at is null
     where h.lock_id = $1 and h.expires_at > clock_timestamp()
       and (h.heir = $2 and h.is_ready is null or h.origin = $2 and h.is_ready)`,
    [seat, instance],
  );
  return rows.map(({ token, is_heir: isHeir }) => ({
    kind: isHeir ? 'prepare' : 'resign',
    token: BigInt(token),
    reason: isHeir ? instance : 'handed-over',
  }));
}
