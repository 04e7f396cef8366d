/**
 * Everything about one name or all of them in one statement, so that who looks every second costs one
 * round trip: whether this is a primary, which version the schema has, and the pictures. On a replica
 * no picture is taken, because a replica cannot say where it is in the log.
 *
 * Times travel as JSON, which writes them in one way, whatever `DateStyle` a role or a database has.
 */
export const pictureStatement = (schema: string): string => `
with advisory as materialized (
  select l.classid as class, l.objid::bigint as object, l.granted, a.pid,
         json_build_object(
           'backend', l.pid, 'isGranted', l.granted, 'user', a.usename,
           'applicationName', a.application_name, 'address', host(a.client_addr),
           'startedAt', a.backend_start, 'state', a.state,
           'stateMs', extract(epoch from clock_timestamp() - a.state_change) * 1000,
           'waitEvent', a.wait_event) as facts,
         json_build_object(
           'transactionMs', extract(epoch from clock_timestamp() - a.xact_start) * 1000,
           'query', left(a.query, 1000),
           'prepared', case when l.pid is null then (
             select p.gid from pg_prepared_xacts p
             join pg_locks t on t.locktype = 'transactionid' and t.transactionid = p.transaction
             where t.pid is null and t.virtualtransaction = l.virtualtransaction) end) as work
  from pg_locks l left join pg_stat_activity a on a.pid = l.pid
  where l.locktype = 'advisory' and l.objsubid = 2
    and l.database = (select d.oid from pg_database d where d.datname = current_database())
), elsewhere as materialized (
  select json_agg(l.facts::jsonb || jsonb_build_object(
           'schema', n.nspname, 'identifier', quote_ident(n.nspname), 'seatClass', l.class,
           'seat', l.object)) as facts
  from advisory l
  join pg_class c on c.oid = l.class and c.relname = 'lock'
  join pg_namespace n on n.oid = c.relnamespace
  where l.granted and c.oid <> ${schema}.seat_class()
    and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
    and exists (select from pg_class o where o.relnamespace = n.oid and o.relname = 'lease')
), client as materialized (
  -- What a connection counts against. Without pg_read_all_stats the kind of a backend is not told.
  select a.datid, a.usesysid from pg_stat_activity a
  where coalesce(a.backend_type = 'client backend', a.datid is not null and a.usesysid is not null)
), room as (
  select 'server' as of, null::name as name, (select count(*) from client) as used,
         current_setting('max_connections')::integer
           - current_setting('superuser_reserved_connections')::integer
           - coalesce(current_setting('reserved_connections', true)::integer, 0) as bound
  union all
  select 'database', d.datname, (select count(*) from client c where c.datid = d.oid), d.datconnlimit
  from pg_database d where d.datname = current_database() and d.datconnlimit >= 0
  union all
  select 'role', r.rolname, (select count(*) from client c where c.usesysid = r.oid), r.rolconnlimit
  from pg_roles r
  where r.rolconnlimit >= 0 and exists (
    select from client c join pg_database d on d.oid = c.datid
    where c.usesysid = r.oid and d.datname = current_database())
), picture as (
  select k.name, clock_timestamp() as read_at, k.id as seat, ${schema}.channel(k.id) as channel,
    l.token::text as token, l.instance, l.label, l.ttl_ms, l.heartbeat_ms, l.acquired_at, l.beat_at,
    s.beat_age_ms, l.ended_at, l.ended_by, l.ended_reason,
    (s.timeline, s.system_identifier, s.lock_class) is distinct from
      (s.lease_timeline, s.lease_system_identifier, s.lease_lock_class) as is_foreign,
    (select json_agg(json_build_object(
       'instance', i.instance, 'label', i.label, 'host', i.host, 'pid', i.pid, 'version', i.version,
       'metadata', i.metadata, 'registeredAt', i.registered_at, 'rank', i.rank,
       'isEligible', i.is_eligible, 'appVersion', i.app_version, 'clockOffsetMs', i.clock_offset_ms,
       'isPresent', exists (
         select from advisory p
         where p.class = ${schema}.presence_class() and p.object = i.id and p.granted))
       order by i.registered_at, i.id)
     from ${schema}.instance i where i.lock_id = k.id) as instances,
    (select json_agg(a.facts) from advisory a
     where a.class = ${schema}.seat_class() and a.object = k.id) as seat_locks,
    (select json_agg(a.facts::jsonb || a.work::jsonb) from advisory a
     where a.class = ${schema}.fence_class() and a.object = k.id) as fence_locks
  from ${schema}.lock k
  join ${schema}.lease l on l.lock_id = k.id
  join ${schema}.seat s on s.lock_id = k.id
  where not l.is_process and ($1::text is null or k.name = $1)
)
select pg_is_in_recovery() as is_replica,
  (select max(m.version) from ${schema}.migration m) as version,
  (select json_build_object('host', w.sender_host, 'port', w.sender_port)
   from pg_stat_wal_receiver w) as upstream,
  (select json_agg(r) from room r where r.used >= 0.9 * r.bound) as crowded,
  (select e.facts from elsewhere e) as elsewhere,
  case when not pg_is_in_recovery() then (
    select json_agg(p order by p.name collate "C") from picture p) end as pictures`;
