/** What comes back: the one row that a statement of the protocol is answered with, and the lease in it. */
import { LockdError } from '../core/errors.ts';
import type { Lease } from '../core/machine/lease.ts';

export const leaseColumns = (row: string): string =>
  `${row}.token, ${row}.beat, ${row}.ttl_ms, ${row}.heartbeat_ms, ${row}.beat_age_ms,
   ${row}.instance, ${row}.label, ${row}.is_ended, ${row}.lease_timeline,
   ${row}.lease_system_identifier, ${row}.lease_lock_class, ${row}.timeline,
   ${row}.system_identifier, ${row}.lock_class`;

// biome-ignore lint/suspicious/noExplicitAny: the one place where rows get their types
export function onlyRow(rows: readonly any[]): any {
  if (rows.length !== 1) throw rowsRemoved(`got ${rows.length}`);
  return rows[0];
}

const rowsRemoved = (got: string): LockdError =>
  new LockdError(
    'LOCKD_SCHEMA_MISSING',
    `Expected one row of this name in the lockd schema, ${got}. Rows were removed by hand: restore them, and leave unused names in place.`,
  );

// biome-ignore lint/suspicious/noExplicitAny: the one place where rows get their types
export function leaseOf(row: any): Lease {
  if (row.token === null) throw rowsRemoved('found none');
  return {
    token: BigInt(row.token),
    beat: Number(row.beat),
    ttlMs: row.ttl_ms,
    heartbeatMs: row.heartbeat_ms,
    beatAgeMs: row.beat_age_ms === null ? undefined : Number(row.beat_age_ms),
    instance: row.instance ?? undefined,
    label: row.label ?? undefined,
    isEnded: row.is_ended,
    recorded:
      row.lease_timeline === null
        ? undefined
        : {
            timeline: row.lease_timeline,
            systemIdentifier: row.lease_system_identifier,
            lockClass: row.lease_lock_class,
          },
    server: {
      timeline: row.timeline,
      systemIdentifier: row.system_identifier,
      lockClass: row.lock_class,
    },
  };
}
