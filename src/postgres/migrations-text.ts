/** The files of migrations/, for bundles, too. Written by `npx vitest run test/postgres/migrate.test.ts --update`. */
export const texts: Readonly<Record<string, string>> = {
  '0001_tables.sql': `-- The tables. In these files \`lockd.\` stands for the schema; \`lockd migrate --schema\` puts another name there.
--
-- The oid of a table is the first key of its advisory locks: lock = seats, fence = fence gates,
-- instance = presence. So these three are never dropped or recreated by a later migration.

create table lockd.lock (
  id         integer generated always as identity primary key,
  name       text not null unique
             check (char_length(name) between 1 and 200 and name !~ '[[:cntrl:]]'),
  created_at timestamptz not null default clock_timestamp()
);
comment on table lockd.lock is 'What can be led. The id is the second key of the seat: rows are never deleted.';

-- Beats rewrite this row every few seconds: no index on a changing column and half-empty pages
-- keep the rewrites inside one page (HOT), so there is nothing for vacuum to do.
create table lockd.lease (
  lock_id           integer primary key references lockd.lock,
  token             bigint not null default 0,
  beat              bigint not null default 0,
  ttl_ms            integer not null default 0,
  heartbeat_ms      integer not null default 0,
  instance          uuid,
  label             text,
  acquired_at       timestamptz,
  beat_at           timestamptz,
  ended_at          timestamptz,
  ended_by          text check (ended_by in ('release', 'confession', 'testimony')),
  ended_reason      text,
  timeline          text,
  system_identifier bigint,
  lock_class        oid
) with (fillfactor = 50);
comment on column lockd.lease.beat_at is 'For people and for pacing only: no decision compares it with another clock.';
comment on column lockd.lease.ended_at is 'Set when the holder of this token is known to work no more.';

-- Not the lease row: a fenced transaction locks its row, and must never hold up a beat.
create table lockd.fence (
  lock_id integer primary key references lockd.lock,
  token   bigint not null default 0
);

create table lockd.instance (
  id            integer generated always as identity primary key,
  instance      uuid not null unique,
  lock_id       integer not null references lockd.lock,
  label         text not null,
  host          text not null,
  pid           integer not null,
  version       text not null,
  metadata      jsonb not null default '{}',
  registered_at timestamptz not null default clock_timestamp()
);
create index on lockd.instance (lock_id);
comment on table lockd.instance is 'Who waits or leads. A row is alive exactly while its advisory lock (this table, id) is held.';

create table lockd.term (
  lock_id    integer not null references lockd.lock,
  token      bigint not null,
  instance   uuid not null,
  label      text not null,
  started_at timestamptz not null,
  ended_at   timestamptz,
  ended_by   text,
  reason     text,
  gap_ms     bigint,
  primary key (lock_id, token)
);
comment on column lockd.term.gap_ms is 'Time without a leader before this term, by the database clock.';

create function lockd.refuse_removal() returns trigger language plpgsql as $$
begin
  raise exception 'rows of %.lock are never deleted', tg_table_schema
    using hint = 'An id that came back would share its advisory locks with the old name. Leave unused names in place.';
end $$;

create trigger lock_rows_stay before delete or truncate on lockd.lock
  for each statement execute function lockd.refuse_removal();
`,
  '0002_protocol.sql': `-- The protocol's functions. Sessions of lockd pin their search_path to pg_catalog; \`fence\`,
-- which runs in anybody's transaction, pins its own.

-- oid to int4 keeps all 32 bits: pg_locks shows the same oid again.
create function lockd.class_key(class oid) returns integer
language sql immutable strict parallel safe as $$
  select (class::bigint - case when class::bigint > 2147483647 then 4294967296 else 0 end)::integer
$$;

create function lockd.seat_class() returns oid
language sql stable as $$ select 'lockd.lock'::pg_catalog.regclass::pg_catalog.oid $$;

create function lockd.fence_class() returns oid
language sql stable as $$ select 'lockd.fence'::pg_catalog.regclass::pg_catalog.oid $$;

create function lockd.presence_class() returns oid
language sql stable as $$ select 'lockd.instance'::pg_catalog.regclass::pg_catalog.oid $$;

-- Every advisory lock of one class in this database. Anybody can take one with any key: no casts.
create function lockd.advisory_locks(class oid)
returns table (object bigint, pid integer, mode text, is_granted boolean)
language sql stable as $$
  select l.objid::bigint, l.pid, l.mode, l.granted
  from pg_catalog.pg_locks l
  where l.locktype = 'advisory' and l.objsubid = 2 and l.classid = class
    and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
$$;

create function lockd.holds_seat(seat integer) returns boolean
language sql stable as $$
  select exists (
    select from lockd.advisory_locks(lockd.seat_class()) l
    where l.object = seat and l.pid = pg_backend_pid() and l.mode = 'ExclusiveLock' and l.is_granted)
$$;

create function lockd.channel(seat integer) returns text
language sql stable as $$ select format('lockd_%s_%s', lockd.seat_class(), seat) $$;

-- News is left out where somebody has filled the server's queue of notices, because the commit would fail,
-- and with it the takeover: who waits looks at the row all the same. A request has no other way.
create function lockd.tell(seat integer, kind text, token bigint, reason text) returns void
language sql volatile as $$
  select pg_notify(lockd.channel(seat),
    json_build_object('kind', kind, 'token', token::text, 'reason', reason)::text)
  where kind = 'resign' or pg_notification_queue_usage() < 0.9
$$;

-- The row of a name, made on first use. Select first: a plain insert would burn an id each time.
create function lockd.enroll(wanted text) returns integer
language plpgsql volatile as $$
declare
  seat integer;
begin
  select l.id into seat from lockd.lock l where l.name = wanted;
  if not found then
    insert into lockd.lock (name) values (wanted) on conflict (name) do nothing;
    select l.id into strict seat from lockd.lock l where l.name = wanted;
    insert into lockd.lease (lock_id) values (seat) on conflict do nothing;
    insert into lockd.fence (lock_id) values (seat) on conflict do nothing;
  end if;
  return seat;
end $$;

-- History is kept to a bound: by who registers and by who leaves, off the takeover's path.
create function lockd.forget_terms(seat integer, kept integer default 1000) returns void
language sql volatile as $$
  delete from lockd.term t
  where t.lock_id = seat and t.token <= (
    select o.token from lockd.term o where o.lock_id = seat
    order by o.token desc offset kept limit 1)
$$;

-- Presence: the advisory lock is taken before the row can be seen, so a visible row without
-- its lock belongs to a session that is gone.
create function lockd.register(
  seat integer, who uuid, label text, host text, pid integer, version text, metadata jsonb
) returns text
language plpgsql volatile as $$
declare
  presence integer := nextval(pg_get_serial_sequence('lockd.instance', 'id'));
begin
  perform pg_advisory_lock(lockd.class_key(lockd.presence_class()), presence);
  delete from lockd.instance i
  where i.instance = who
     or i.lock_id = seat and not exists (
       select from lockd.advisory_locks(lockd.presence_class()) l where l.object = i.id and l.is_granted);
  insert into lockd.instance (id, instance, lock_id, label, host, pid, version, metadata)
    overriding system value
    values (presence, who, seat, label, host, pid, version, metadata);
  perform lockd.forget_terms(seat);
  return lockd.channel(seat);
end $$;

-- What a campaign decides on: the lease beside the identity of the server it is read from.
-- pg_control_checkpoint() names the old timeline for seconds after a promotion; the WAL position does not.
create view lockd.seat as
  select l.lock_id, l.token, l.beat, l.ttl_ms, l.heartbeat_ms, l.instance, l.label,
         l.ended_at is not null as is_ended,
         (extract(epoch from clock_timestamp() - l.beat_at) * 1000)::bigint as beat_age_ms,
         l.timeline as lease_timeline,
         l.system_identifier as lease_system_identifier,
         l.lock_class as lease_lock_class,
         substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) as timeline,
         (select c.system_identifier from pg_control_system() c) as system_identifier,
         lockd.seat_class() as lock_class
  from lockd.lease l;

-- One attempt: stand in the server's queue for the seat, no longer than wait_ms.
-- A replica grants advisory locks, and a backend that already holds the key belongs to somebody else:
-- both are refused before waiting. The lease is read by a statement of its own, after the grant.
create function lockd.attempt(seat_id integer, wait_ms integer, idle_ms integer)
returns table (status text, lease lockd.seat)
language plpgsql volatile as $$
begin
  if pg_is_in_recovery() then
    status := 'replica';
    return next;
    return;
  end if;
  if lockd.holds_seat(seat_id) then
    status := 'occupied';
    return next;
    return;
  end if;
  perform set_config('idle_session_timeout', idle_ms::text, false);
  perform set_config('lock_timeout', wait_ms::text, true);
  begin
    perform pg_advisory_lock(lockd.class_key(lockd.seat_class()), seat_id);
    status := 'granted';
  exception when lock_not_available then
    -- The grant can land between the timer and the error: pg_locks knows, the exception does not.
    status := case when lockd.holds_seat(seat_id) then 'granted' else 'busy' end;
  end;
  select s.* into lease from lockd.seat s where s.lock_id = seat_id;
  return next;
end $$;

-- One beat: a durable write that also proves that this backend still holds the seat.
create function lockd.beat(seat_id integer, mine bigint, backend integer) returns bigint
language sql volatile as $$
  update lockd.lease l
  set beat = l.beat + 1, beat_at = clock_timestamp()
  where l.lock_id = seat_id and l.token = mine and l.ended_at is null
    and pg_backend_pid() = backend and lockd.holds_seat(seat_id)
  returning l.beat
$$;

-- The succession: compare-and-set from exactly what the decision was based on; null when the row says
-- something else. It never branches, so that a call for a seat that does not exist changes nothing and
-- leaves every plan made: standbys rehearse, because nobody leads while a plan is being made.
create function lockd.succeed(
  seat_id integer, seen_token bigint, seen_beat bigint, seen_ended boolean, highest_token bigint,
  who uuid, who_label text, new_ttl_ms integer, new_heartbeat_ms integer
) returns bigint
language plpgsql volatile as $$
declare
  before lockd.lease;
  granted bigint;
begin
  select l.* into before from lockd.lease l
  where l.lock_id = seat_id and l.token = seen_token and l.beat = seen_beat
    and (l.ended_at is not null) = seen_ended
  for update;
  update lockd.fence f
  set token = greatest(f.token + 1, before.token + 1, highest_token + 1,
                       floor(extract(epoch from clock_timestamp()) * 1000)::bigint)
  where f.lock_id = before.lock_id
  returning f.token into granted;
  update lockd.lease l
  set token = granted, beat = 0, ttl_ms = new_ttl_ms, heartbeat_ms = new_heartbeat_ms,
      instance = who, label = who_label, acquired_at = clock_timestamp(), beat_at = clock_timestamp(),
      ended_at = null, ended_by = null, ended_reason = null,
      timeline = s.timeline, system_identifier = s.system_identifier, lock_class = s.lock_class
  from lockd.seat s
  where l.lock_id = before.lock_id and s.lock_id = before.lock_id;
  update lockd.term t
  set ended_at = before.beat_at, ended_by = 'takeover',
      reason = case when before.instance = who then 'began anew' else 'fell silent' end
  where t.lock_id = before.lock_id and t.token = seen_token and t.ended_at is null;
  insert into lockd.term (lock_id, token, instance, label, started_at, gap_ms)
  select before.lock_id, granted, who, who_label, clock_timestamp(),
         extract(epoch from clock_timestamp() - coalesce(before.ended_at, before.beat_at)) * 1000
  where before.lock_id is not null;
  return granted;
end $$;

-- The takeover: fence gate, then succession. The gate queues behind the fenced transactions that run
-- and ahead of all that come, so it is neither overtaken nor starved.
create function lockd.takeover(
  seat_id integer, backend integer,
  seen_token bigint, seen_beat bigint, seen_ended boolean, highest_token bigint,
  who uuid, who_label text, new_ttl_ms integer, new_heartbeat_ms integer, wait_ms integer
)
returns table (status text, token bigint, blockers integer[])
language plpgsql volatile as $$
begin
  if pg_backend_pid() <> backend or not lockd.holds_seat(seat_id) then
    status := 'unseated';
    return next;
    return;
  end if;
  perform set_config('lock_timeout', wait_ms::text, true);
  begin
    perform pg_advisory_xact_lock(lockd.class_key(lockd.fence_class()), seat_id);
    token := lockd.succeed(seat_id, seen_token, seen_beat, seen_ended, highest_token,
                           who, who_label, new_ttl_ms, new_heartbeat_ms);
  exception when lock_not_available then
    status := 'blocked';
    blockers := array(
      select l.pid from lockd.advisory_locks(lockd.fence_class()) l
      where l.object = seat_id and l.is_granted and l.pid <> pg_backend_pid());
    return next;
    return;
  end;
  if token is null then
    status := 'changed';
    return next;
    return;
  end if;
  -- From here the server ends this session, and so frees the seat, when beats stop for a TTL.
  perform set_config('idle_session_timeout', new_ttl_ms::text, false);
  perform lockd.tell(seat_id, 'taken', token, null);
  status := 'taken';
  return next;
end $$;

-- Ends the sessions that hold up a takeover and names those this role may not end. Only who still
-- stands in the way: a process id alone may be somebody else's by now. No error reaches the log.
create function lockd.end_blockers(seat_id integer) returns integer[]
language plpgsql volatile as $$
declare
  blocker integer;
  refused integer[] := '{}';
begin
  for blocker in
    select l.pid from lockd.advisory_locks(lockd.fence_class()) l
    where l.object = seat_id and l.is_granted and l.mode = 'ShareLock'
  loop
    begin
      perform pg_terminate_backend(blocker);
    exception when insufficient_privilege then
      refused := refused || blocker;
    end;
  end loop;
  return refused;
end $$;

create function lockd.mark_ended(seat_id integer, whose bigint, marked_by text, why text) returns boolean
language plpgsql volatile as $$
begin
  update lockd.lease l
  set ended_at = clock_timestamp(), ended_by = marked_by, ended_reason = why
  where l.lock_id = seat_id and l.token = whose and l.ended_at is null;
  if not found then
    return false;
  end if;
  update lockd.term t
  set ended_at = clock_timestamp(), ended_by = marked_by, reason = why
  where t.lock_id = seat_id and t.token = whose and t.ended_at is null;
  return true;
end $$;

-- Confession and testimony: the mark without the seat. True also where the term is already over,
-- whoever said so: there is nothing left to say. A testimony follows the death of a process, and need
-- not be durable by itself, as in a release below; a confession follows the loss of a session, and so
-- may be the last thing that a dying server hears.
create function lockd.testify(seat_id integer, whose bigint, marked_by text, why text) returns boolean
language plpgsql volatile as $$
begin
  if marked_by = 'testimony' then
    perform set_config('synchronous_commit', 'off', true);
  end if;
  if lockd.mark_ended(seat_id, whose, marked_by, why) then
    perform lockd.tell(seat_id, 'ended', whose, why);
  end if;
  return exists (
    select from lockd.lease l where l.lock_id = seat_id and (l.token <> whose or l.ended_at is not null));
end $$;

-- Release: the mark is committed before the seat is freed, because an unlock takes effect before
-- its own commit and the successor would read a lease that has not ended. Unlock and notify are one.
-- The mark need not be durable: whoever builds on it writes a durable takeover behind it, and a crash
-- that loses both costs a wait. So no flush stands between the end of the work and the successor.
create procedure lockd.release(seat_id integer, whose bigint, why text, inout is_marked boolean)
language plpgsql as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  is_marked := lockd.mark_ended(seat_id, whose, 'release', why);
  commit;
  perform pg_advisory_unlock(lockd.class_key(lockd.seat_class()), seat_id),
          lockd.tell(seat_id, 'released', whose, why),
          lockd.forget_terms(seat_id);
end $$;

-- The guard for a user's own transaction; call it first. The gate holds up a takeover until this
-- transaction ends; the row lock makes REPEATABLE READ and SERIALIZABLE see a takeover that was
-- committed after their snapshot (they fail with 40001 instead of reading the old token).
-- With the owner's rights, because a row lock takes the right to update the row: who writes under a
-- token needs no right to change one. Not for everybody: a caller learns the current token and holds
-- up takeovers while its transaction lasts.
create function lockd.fence(led text, mine bigint) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp as $$
declare
  seat_id integer;
  current bigint;
begin
  select l.id into seat_id from lockd.lock l where l.name = led;
  if not found then
    raise exception 'nobody has ever led "%"', led
      using errcode = 'LKD02', hint = 'Check the name, and that this is the database and schema it is led in.';
  end if;
  perform pg_advisory_xact_lock_shared(lockd.class_key(lockd.fence_class()), seat_id);
  select f.token into strict current from lockd.fence f where f.lock_id = seat_id for share;
  if current is distinct from mine then
    raise exception 'token % of "%" is stale, the current one is %', mine, led, current
      using errcode = 'LKD01', hint = 'Another instance leads. Roll back and stop working under this token.';
  end if;
end $$;

revoke execute on function lockd.fence(text, bigint) from public;
`,
};
