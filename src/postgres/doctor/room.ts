/** Whether the server has room for what is to come. */
import pg from 'pg';
import { type Check, note, ok, problem, warning } from './finding.ts';

/** A seat and a control session. */
const sessions = 2;
/** With a guard, and a `LockManager` beside it. */
const mostSessions = 6;

const taken = `
select current_setting('max_connections')::int as most,
  current_setting('superuser_reserved_connections')::int
    + coalesce(current_setting('reserved_connections', true), '0')::int as reserved,
  r.rolname as role, r.rolsuper as is_super, r.rolconnlimit as role_limit,
  d.datname as database, d.datconnlimit as database_limit, u.*
from pg_roles r, pg_database d, lateral (
  select count(*)::int as used,
    (count(*) filter (where a.usesysid = r.oid))::int as used_by_role,
    (count(*) filter (where a.datid = d.oid))::int as used_in_database
  from pg_stat_activity a
  where a.datid is not null and a.usesysid is not null and a.pid <> pg_backend_pid()) u
where r.rolname = session_user and d.datname = current_database()`;

const connections: Check = {
  name: 'connections',
  async look(visit) {
    const { instances } = visit.patient;
    const { rows } = await visit.ask(taken);
    const [tightest] = limitsOf(rows[0]).sort((one, other) => one.room - other.room);
    const { room, limit, raise } = tightest as Limit;
    const needs = `${instances} instances take ${instances * sessions}, with a guard and a LockManager each ${instances * mostSessions}`;
    const message = `Room for ${Math.max(0, room)} more (${limit}): ${needs}.`;
    const remedy = `Raise it, or make room: ${raise}`;
    if (room < instances * sessions) return problem(message, remedy);
    if (room < instances * mostSessions) return warning(message, remedy);
    return ok(message);
  },
};

interface Limit {
  readonly room: number;
  readonly limit: string;
  readonly raise: string;
}

// biome-ignore lint/suspicious/noExplicitAny: as the statement made them
function limitsOf(row: any): Limit[] {
  const { most, reserved, role, database, role_limit: ofRole, database_limit: ofDatabase } = row;
  const server: Limit = {
    room: most - reserved - row.used,
    limit: `max_connections is ${most}, ${reserved} of them reserved`,
    raise: 'alter system set max_connections = …; then restart the server.',
  };
  if (row.is_super) return [server]; // the others do not count for it
  return [
    server,
    ...limited(ofRole, row.used_by_role, `role ${role}`, `alter role ${pg.escapeIdentifier(role)}`),
    ...limited(
      ofDatabase,
      row.used_in_database,
      `database ${database}`,
      `alter database ${pg.escapeIdentifier(database)}`,
    ),
  ];
}

const limited = (limit: number, used: number, whose: string, alter: string): Limit[] =>
  limit === -1
    ? []
    : [
        {
          room: limit - used,
          limit: `the limit of ${whose} is ${limit}`,
          raise: `${alter} connection limit …;`,
        },
      ];

/** A handful of instances needs some dozens; what is left is for the tables of everybody else. */
const fewLocks = 1_000;

const locks: Check = {
  name: 'lock-table',
  async look(visit) {
    const { rows } = await visit.ask(
      `select current_setting('max_locks_per_transaction')::int * (current_setting('max_connections')::int
         + current_setting('max_prepared_transactions')::int) as room`,
    );
    const { room } = rows[0];
    if (room >= fewLocks) return ok(`Room for ${room} locks.`);
    return note(
      `Room for ${room} locks only, advisory ones and everybody’s: a large transaction may take them all.`,
      'alter system set max_locks_per_transaction = 64; then restart the server.',
    );
  },
};

export const roomChecks: readonly Check[] = [connections, locks];
