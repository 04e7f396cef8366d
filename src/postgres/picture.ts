/**
 * What the server knows about names: leases, instances, and whose sessions hold and await which
 * locks. One statement, so one snapshot of the tables beside one look at the locks; these two may
 * still be a moment apart, and who judges by them looks twice.
 */
import { LockdError } from '../core/errors.ts';
import type { Session } from './session.ts';

type Ask = Session['query'];

/** A session as roles without `pg_read_all_stats` may not see it: then most of it is undefined. */
export interface SessionFacts {
  /** Process id on the server: what `pg_terminate_backend` takes. */
  readonly backend: number;
  readonly user: string | undefined;
  readonly applicationName: string | undefined;
  /** Where it comes from; undefined for a unix socket, too. */
  readonly address: string | undefined;
  readonly startedAt: Date | undefined;
  /** As `pg_stat_activity` says: active, idle, … */
  readonly state: string | undefined;
  /** How long it has been in this state. */
  readonly stateMs: number | undefined;
  /** What it waits for, as `pg_stat_activity` says: ClientRead, SyncRep, … */
  readonly waitEvent: string | undefined;
}

export interface LockFacts extends SessionFacts {
  readonly isGranted: boolean;
}

export interface InstanceFacts {
  readonly instance: string;
  readonly label: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly registeredAt: Date;
  /** Its control session is connected. */
  readonly isPresent: boolean;
}

export interface LeaseFacts {
  readonly token: bigint;
  readonly instance: string;
  readonly label: string;
  readonly ttlMs: number;
  readonly heartbeatMs: number;
  readonly acquiredAt: Date;
  readonly beatAt: Date;
  /** By the server's clock, at the moment of reading. */
  readonly beatAgeMs: number;
  readonly endedAt: Date | undefined;
  readonly endedBy: string | undefined;
  readonly endedReason: string | undefined;
  /** It was taken on another timeline, server or schema than this one: a promotion, a restore. */
  readonly isForeign: boolean;
}

export interface Picture {
  readonly name: string;
  /** By the server's clock, as all times here. */
  readonly readAt: Date;
  readonly seat: number;
  readonly channel: string;
  readonly lease: LeaseFacts | undefined;
  readonly instances: readonly InstanceFacts[];
  /** Who holds the seat, and who stands in the queue for it. */
  readonly seatLocks: readonly LockFacts[];
  /** Fenced transactions, and the takeover that waits for them. */
  readonly fenceLocks: readonly LockFacts[];
  /** Sessions that hold the seat of this name in other schemas of this database. */
  readonly elsewhere: readonly ForeignFacts[];
}

export interface ForeignFacts extends SessionFacts {
  readonly schema: string;
}

/** All names, or the one; none where nobody has ever campaigned for it. Needs no session state. */
export async function readPictures(
  ask: Ask,
  schema: string,
  name: string | undefined,
): Promise<Picture[]> {
  const { rows } = await ask('select pg_is_in_recovery() as is_replica');
  if (rows[0].is_replica) {
    throw new LockdError(
      'LOCKD_REPLICA',
      'This server is a replica: it knows nothing of the locks on its primary. Connect to the primary.',
    );
  }
  const { rows: pictures } = await ask(statement(schema), [name ?? null]);
  const elsewhere = await namesElsewhere(ask, pictures[0]?.elsewhere ?? []);
  return pictures.map((row) => pictureOf(row, elsewhere));
}

/** Which names seats in other schemas belong to; hardly ever is there one. */
async function namesElsewhere(
  ask: Ask,
  // biome-ignore lint/suspicious/noExplicitAny: as the statement made them
  seats: readonly any[],
): Promise<Map<string, ForeignFacts[]>> {
  const found = new Map<string, ForeignFacts[]>();
  for (const { identifier, seat, ...facts } of seats) {
    const { rows } = await ask(`select name from ${identifier}.lock where id = $1`, [seat]);
    const { name } = rows[0] ?? {};
    if (name !== undefined) found.set(name, [...(found.get(name) ?? []), sessionOf(facts)]);
  }
  return found;
}

/** Times travel as JSON, which writes them in one way, whatever `DateStyle` a role or a database has. */
const statement = (schema: string): string => `
with advisory as materialized (
  select l.classid as class, l.objid::bigint as object, l.granted, a.pid,
         json_build_object(
           'backend', l.pid, 'isGranted', l.granted, 'user', a.usename,
           'applicationName', a.application_name, 'address', host(a.client_addr),
           'startedAt', a.backend_start, 'state', a.state,
           'stateMs', extract(epoch from clock_timestamp() - a.state_change) * 1000,
           'waitEvent', a.wait_event) as facts
  from pg_locks l left join pg_stat_activity a on a.pid = l.pid
  where l.locktype = 'advisory' and l.objsubid = 2
    and l.database = (select d.oid from pg_database d where d.datname = current_database())
), elsewhere as materialized (
  select json_agg(l.facts::jsonb || jsonb_build_object(
           'schema', n.nspname, 'identifier', quote_ident(n.nspname), 'seat', l.object)) as facts
  from advisory l
  join pg_class c on c.oid = l.class and c.relname = 'lock'
  join pg_namespace n on n.oid = c.relnamespace
  where l.granted and c.oid <> ${schema}.seat_class()
    and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
    and exists (select from pg_class o where o.relnamespace = n.oid and o.relname = 'lease')
)
select k.name, to_json(clock_timestamp()) as read_at, k.id as seat,
  ${schema}.channel(k.id) as channel, l.token, l.instance, l.label, l.ttl_ms, l.heartbeat_ms,
  to_json(l.acquired_at) as acquired_at, to_json(l.beat_at) as beat_at, s.beat_age_ms,
  to_json(l.ended_at) as ended_at, l.ended_by, l.ended_reason,
  (s.timeline, s.system_identifier, s.lock_class) is distinct from
    (s.lease_timeline, s.lease_system_identifier, s.lease_lock_class) as is_foreign,
  (select json_agg(json_build_object(
     'instance', i.instance, 'label', i.label, 'host', i.host, 'pid', i.pid, 'version', i.version,
     'metadata', i.metadata, 'registeredAt', i.registered_at, 'isPresent', exists (
       select from advisory p
       where p.class = ${schema}.presence_class() and p.object = i.id and p.granted))
     order by i.registered_at, i.id)
   from ${schema}.instance i where i.lock_id = k.id) as instances,
  (select json_agg(a.facts) from advisory a
   where a.class = ${schema}.seat_class() and a.object = k.id) as seat_locks,
  (select json_agg(a.facts) from advisory a
   where a.class = ${schema}.fence_class() and a.object = k.id) as fence_locks,
  (select e.facts from elsewhere e) as elsewhere
from ${schema}.lock k
join ${schema}.lease l on l.lock_id = k.id
join ${schema}.seat s on s.lock_id = k.id
where not l.is_process and ($1::text is null or k.name = $1)
order by k.name collate "C"`;

// biome-ignore lint/suspicious/noExplicitAny: the one place where rows get their types
function pictureOf(row: any, elsewhere: ReadonlyMap<string, ForeignFacts[]>): Picture {
  return {
    name: row.name,
    readAt: new Date(row.read_at),
    seat: row.seat,
    channel: row.channel,
    lease: row.token === '0' ? undefined : leaseOf(row),
    instances: (row.instances ?? []).map((facts: InstanceFacts) => ({
      ...facts,
      registeredAt: new Date(facts.registeredAt),
    })),
    seatLocks: (row.seat_locks ?? []).map(sessionOf),
    fenceLocks: (row.fence_locks ?? []).map(sessionOf),
    elsewhere: elsewhere.get(row.name) ?? [],
  };
}

// biome-ignore lint/suspicious/noExplicitAny: the one place where rows get their types
const leaseOf = (row: any): LeaseFacts => ({
  token: BigInt(row.token),
  instance: row.instance,
  label: row.label,
  ttlMs: row.ttl_ms,
  heartbeatMs: row.heartbeat_ms,
  acquiredAt: new Date(row.acquired_at),
  beatAt: new Date(row.beat_at),
  beatAgeMs: Number(row.beat_age_ms),
  endedAt: row.ended_at === null ? undefined : new Date(row.ended_at),
  endedBy: row.ended_by ?? undefined,
  endedReason: row.ended_reason ?? undefined,
  isForeign: row.is_foreign,
});

// biome-ignore lint/suspicious/noExplicitAny: the one place where rows get their types
const sessionOf = (facts: any): any => ({
  ...facts,
  user: facts.user ?? undefined,
  applicationName: facts.applicationName ?? undefined,
  address: facts.address ?? undefined,
  startedAt: facts.startedAt === null ? undefined : new Date(facts.startedAt),
  state: facts.state ?? undefined,
  stateMs: facts.stateMs ?? undefined,
  waitEvent: facts.waitEvent ?? undefined,
});
