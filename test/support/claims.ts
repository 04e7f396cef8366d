import { existsSync, readFileSync } from 'node:fs';
import { query } from './database.ts';
import { now } from './story.ts';

/** One line of test/support/worker.js. */
export interface Claim {
  /** `claim`, `begin`, or the signal it was sent. */
  readonly kind: string;
  readonly token: string;
  /** On the monotonic clock that all processes of this machine share, in ms. */
  readonly at: number;
  readonly label: string;
  readonly who: 'command' | 'grandchild';
  readonly pid: number;
  readonly name?: string;
  readonly instance?: string;
  readonly args?: readonly string[];
}

export function readClaims(file: string): Claim[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line));
}

interface Tenure {
  readonly token: string;
  readonly label: string;
  readonly ended_by: string | null;
  /** By the server's clock, in ms. When it was taken over: its last beat. */
  readonly ended: number | null;
  readonly ttl: number;
}

/**
 * What is wrong with these claims, in words: a command that worked at or after the first claim of
 * a later term, after its term had been marked ended, or after its lease had run out.
 */
export async function violations(claims: readonly Claim[], url: string): Promise<string[]> {
  const wrong: string[] = [];
  const tokens = [...new Set(claims.map(({ token }) => token))].sort(
    (a, b) => Number(a) - Number(b),
  );
  const of = (token: string) => claims.filter((claim) => claim.token === token);
  for (const [index, token] of tokens.entries()) {
    const last = Math.max(...of(token).map(({ at }) => at));
    for (const later of tokens.slice(index + 1)) {
      const first = Math.min(...of(later).map(({ at }) => at));
      if (last >= first) {
        wrong.push(`term ${token} worked until ${last}, term ${later} since ${first}`);
      }
    }
  }
  for (const { token, label, ended_by: by, ended, ttl, offset } of await tenures(url)) {
    const last = Math.max(...of(token).map(({ at }) => at));
    if (ended === null) continue;
    const end = ended - offset + (by === 'takeover' ? ttl : 0);
    if (last > end)
      wrong.push(`${label} worked ${last - end} ms beyond the end of ${token} (${by})`);
  }
  return wrong;
}

/** The terms that have ended, and how far the server's clock is ahead of the monotonic one. */
async function tenures(url: string): Promise<(Tenure & { offset: number })[]> {
  const rows = await query<Tenure & { clock: number; [column: string]: unknown }>(
    url,
    `select t.token, t.label, t.ended_by, l.ttl_ms as ttl,
            extract(epoch from t.ended_at)::float8 * 1000 as ended,
            extract(epoch from clock_timestamp())::float8 * 1000 as clock
     from lockd.term t join lockd.lease l using (lock_id)`,
  );
  // Read after the answer, so a few ms too mild: whatever is reported is true.
  return rows.map((row) => ({ ...row, offset: row.clock - now() }));
}
