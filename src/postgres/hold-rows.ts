/** What the answers about holds are made of. Times and tokens travel as text, in JSON. */
import { LockdError } from '../core/errors.ts';
import type {
  Answer,
  Details,
  Holding,
  Mode,
  Queues,
  Standing,
  Waiting,
} from '../core/locks/store.ts';

export interface AskedRow {
  readonly status: Answer['is'];
  readonly token: string;
  readonly slot: number;
  readonly used_as: string;
  readonly holders: StandingRow[] | null;
}

interface StandingRow {
  readonly id?: string;
  readonly resource: string;
  readonly slot?: number;
  readonly token?: string;
  readonly request: string;
  readonly owner: string;
  readonly details: Details | null;
  readonly since: string;
  readonly for_ms: number;
  readonly mode: 'exclusive' | 'shared' | 'permits';
  readonly permits: number | null;
  readonly process: number;
  readonly process_token: string;
  readonly label: string | null;
  /** Of a hold. */
  readonly is_overdue?: boolean | null;
  readonly is_silent?: boolean | null;
}

export const holdingOf = (row: StandingRow): Holding => ({
  ...standingOf(row),
  token: BigInt(row.token ?? 0),
  slot: row.slot ?? 0,
  isSilent: row.is_silent ?? false,
});

/** The process of one of these holders has missed two beats. */
export const isOverdue = (rows: readonly StandingRow[]): boolean =>
  rows.some((row) => row.is_overdue ?? false);

const waitingOf = (row: StandingRow): Waiting => ({
  ...standingOf(row),
  number: BigInt(row.id ?? 0),
});

export function queuesOf(rows: readonly unknown[]): Queues {
  const [{ holdings, waitings }] = rows as [{ holdings: StandingRow[]; waitings: StandingRow[] }];
  return { holdings: holdings.map(holdingOf), waitings: waitings.map(waitingOf) };
}

const standingOf = (row: StandingRow): Standing => ({
  resource: row.resource,
  mode: modeOf(row),
  request: row.request,
  owner: row.owner,
  since: new Date(row.since),
  forMs: row.for_ms,
  details: row.details ?? {},
  process: row.process,
  processToken: BigInt(row.process_token),
  label: row.label ?? undefined,
});

function modeOf({ mode, permits }: StandingRow): Mode {
  if (mode !== 'permits') return mode;
  if (permits === null) throw new LockdError('LOCKD_UNCERTAIN', 'A hold has no number of permits.');
  return { permits };
}
