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
  '0003_holds.sql': `-- Resource locks. A hold is a row, because advisory locks live in a small table that the whole server
-- shares. What keeps it alive is the lease of the process that has it: each process with holds campaigns
-- for a name of its own, \`lockd:process:<uuid>\`, which nobody else wants, and so has a token, beats, a
-- guard and an end like any leader. A hold lives exactly while its process's lease has the token that it
-- was granted under and has not ended.
--
-- These tables are not logged: nothing is flushed for a hold, and a crash of the server or a promotion
-- empties them. What was forgotten with them is told by \`epoch\`, which is emptied at the same instant:
-- nothing is granted in a new epoch until the lease of every process that may still hold something
-- has ended, moved on, or has been silent for its TTL.

alter table lockd.lease
  add column is_process boolean not null default false,
  drop constraint lease_ended_by_check,
  add constraint lease_ended_by_check check (ended_by in ('release', 'confession', 'testimony', 'expiry'));

create function lockd.is_process_name(name text) returns boolean
language sql immutable strict parallel safe as $$ select starts_with(name, 'lockd:process:') $$;

create function lockd.know_process() returns trigger language plpgsql as $$
begin
  new.is_process := exists (
    select from lockd.lock l where l.id = new.lock_id and lockd.is_process_name(l.name));
  return new;
end $$;

create trigger know_process before insert on lockd.lease
  for each row execute function lockd.know_process();

-- The name of a process is a uuid and its id is never given out again: these rows may go.
drop trigger lock_rows_stay on lockd.lock;
create trigger lock_rows_stay before truncate on lockd.lock
  for each statement execute function lockd.refuse_removal();
create trigger names_stay before delete on lockd.lock
  for each row when (not lockd.is_process_name(old.name)) execute function lockd.refuse_removal();

-- One row for each place at a resource. Place 0 is where exclusive holders stand; it also says how the
-- resource is used, and every change locks it first, but for the quick ones, which lock nothing else.
-- No index on what changes and half-empty pages keep the rewrites inside one page (HOT).
create unlogged table lockd.hold (
  resource      text collate "C" not null check (char_length(resource) between 1 and 200),
  slot          integer not null check (slot >= 0),
  token         bigint not null default 0,
  is_held       boolean not null default false,
  -- How many places there were when it was granted; none: exclusive or shared use. At place 0: as it
  -- is used now.
  permits       integer check (permits > 0),
  -- Of place 0 only: whether there are other places, and whether anybody waits. Its token is the
  -- greatest of all places.
  is_divided    boolean not null default false,
  is_awaited    boolean not null default false,
  process       integer,
  process_token bigint,
  request       uuid,
  owner         text,
  details       json,
  since         timestamptz,
  primary key (resource, slot)
) with (fillfactor = 50);
comment on table lockd.hold is 'Who holds what. Alive while is_held and the lease of its process has process_token and has not ended.';

-- Logged, unlike the table: after a promotion a sequence that is not logged cannot be read.
create sequence lockd.waiter_number;

create unlogged table lockd.waiter (
  id            bigint not null default nextval('lockd.waiter_number'),
  resource      text collate "C" not null,
  is_shared     boolean not null,
  permits       integer,
  process       integer not null,
  process_token bigint not null,
  request       uuid not null,
  owner         text not null,
  details       json,
  since         timestamptz not null default clock_timestamp(),
  primary key (resource, id)
);

create unlogged table lockd.epoch (
  is_this  boolean primary key default true check (is_this),
  began_at timestamptz not null default clock_timestamp(),
  token    bigint not null default 0
);
comment on table lockd.epoch is 'Empty when the server has forgotten what was held. Every token that was forgotten is below its token.';

-- Logged: a second crash must not forget whom the first one made doubtful.
create table lockd.doubt (
  process       integer primary key,
  process_token bigint not null,
  ttl_ms        integer not null
);
comment on table lockd.doubt is
  'Processes that may hold what the server has forgotten: nothing is granted while one is left. Process 0 are all that it has forgotten itself.';

-- The work session of a process holds this lock, so that there is one, and the next one begins after it.
create function lockd.hold_class() returns oid
language sql stable as $$ select 'lockd.hold'::pg_catalog.regclass::pg_catalog.oid $$;

-- In plpgsql, as what follows: a function in sql that cannot be inlined is planned anew at each call.
create function lockd.is_alive(process integer, process_token bigint) returns boolean
language plpgsql stable as $$
begin
  return exists (
    select from lockd.lease l where l.lock_id = process and l.token = process_token and l.ended_at is null);
end $$;

-- A doubt about a process is over with its lease.
create function lockd.is_certain() returns boolean
language plpgsql stable as $$
begin
  return exists (select from lockd.epoch) and not exists (
    select from lockd.doubt d where d.process = 0 or lockd.is_alive(d.process, d.process_token));
end $$;

-- Above the last one; and as late as the clock says, so that few of those that were forgotten are above.
create function lockd.next_hold_token(last bigint) returns bigint
language sql volatile as $$
  select greatest(last + 1, floor(extract(epoch from clock_timestamp()) * 1000000)::bigint)
$$;

-- The quick way: exclusive holds on whatever is free, a token for each, or null where one has to ask.
-- In the order of their names, so that no two of these stand in each other's way. A grant locks its row
-- FOR UPDATE: it cannot be had while a transaction fenced with an earlier token runs (it is skipped),
-- and makes one of REPEATABLE READ that comes too late fail with 40001. Of many, one statement takes what
-- it can, which costs a third; what that left goes one by one.
create function lockd.take_holds(
  by_process integer, by_token bigint,
  resources text[], requests uuid[], owners text[], about json[]
) returns bigint[]
language plpgsql volatile as $$
declare
  mint bigint;
  granted bigint;
  tokens bigint[];
begin
  -- Under a lease that is over, a grant would be nobody's. One that ends meanwhile leaves a row behind
  -- that whoever asks next finds free.
  select lockd.next_hold_token(e.token) into mint from lockd.epoch e
  where not exists (
      select from lockd.doubt d where d.process = 0 or lockd.is_alive(d.process, d.process_token))
    and exists (
      select from lockd.lease l
      where l.lock_id = by_process and l.token = by_token and l.ended_at is null);
  if not found then
    return tokens;
  end if;
  if cardinality(resources) > 1 then
    with taken as (
      update lockd.hold h
      set token = greatest(h.token + 1, mint), is_held = true, permits = null, process = by_process,
          process_token = by_token, request = f.request, owner = f.owner, details = f.details,
          since = clock_timestamp()
      from (
        select p.ctid as place, a.*
        from unnest(resources, requests, owners, about)
          with ordinality as a (resource, request, owner, details, number),
        lateral (
          select h.ctid from lockd.hold h
          where h.resource = a.resource and h.slot = 0
            and not h.is_held and not h.is_divided and not h.is_awaited
          for update skip locked) p) f
      where h.ctid = f.place
      returning f.number, h.token)
    select array_agg(t.token order by i) into tokens
    from generate_subscripts(resources, 1) i left join taken t on t.number = i;
  end if;
  for i in 1 .. cardinality(resources) loop
    continue when tokens[i] is not null;
    select greatest(h.token + 1, mint) into granted from lockd.hold h
    where h.resource = resources[i] and h.slot = 0
      and not h.is_held and not h.is_divided and not h.is_awaited
    for update skip locked;
    if found then
      update lockd.hold h
      set token = granted, is_held = true, permits = null, process = by_process,
          process_token = by_token, request = requests[i], owner = owners[i], details = about[i],
          since = clock_timestamp()
      where h.resource = resources[i] and h.slot = 0;
    else
      insert into lockd.hold as h
        (resource, slot, token, is_held, process, process_token, request, owner, details, since)
      values (resources[i], 0, mint, true, by_process, by_token, requests[i], owners[i], about[i],
              clock_timestamp())
      on conflict do nothing
      returning h.token into granted;
    end if;
    tokens[i] := granted;
  end loop;
  return tokens;
end $$;

create function lockd.tell_process(process integer, kind text, request uuid, facts json) returns void
language plpgsql volatile as $$
begin
  if pg_notification_queue_usage() < 0.9 then
    perform pg_notify(lockd.channel(process),
      json_build_object('kind', kind, 'request', request, 'facts', facts)::text);
  end if;
end $$;

-- The place that this wait can have now, if any: nobody may hold against it, and no transaction that was
-- fenced with an earlier token may still run (its row cannot be locked, and is skipped). Whoever calls
-- it has locked place 0; and has given the places up to \`behind\` to others of the same use just now, so
-- that a thousand readers cost a thousand times one, and not its square.
create function lockd.place_for(wanted lockd.waiter, behind integer default 0) returns integer
language plpgsql volatile as $$
declare
  is_alone constant boolean := not wanted.is_shared and wanted.permits is null;
  place integer;
  others integer;
  free integer;
begin
  perform from lockd.hold h
  where h.resource = wanted.resource and h.slot = 0 and not h.is_held
  for update skip locked;
  if not found then
    return null;
  end if;
  if is_alone then
    perform from lockd.hold h where h.resource = wanted.resource and h.slot > 0 and h.is_held;
    if found then
      return null;
    end if;
  end if;
  -- Places that were left by another use of it are done away with, once nobody is fenced with them. A
  -- fence of REPEATABLE READ that comes too late finds its row deleted, and fails with 40001.
  if is_alone or behind = 0 then
    select count(*) into others from lockd.hold h
    where h.resource = wanted.resource and h.slot > 0
      and (is_alone or h.permits is distinct from wanted.permits);
  end if;
  if others > 0 then
    perform from lockd.hold h
    where h.resource = wanted.resource and h.slot > 0
      and (is_alone or h.permits is distinct from wanted.permits)
    for update skip locked;
    get diagnostics free = row_count;
    if free < others then
      return null;
    end if;
    delete from lockd.hold h
    where h.resource = wanted.resource and h.slot > 0
      and (is_alone or h.permits is distinct from wanted.permits);
  end if;
  if is_alone then
    return 0;
  end if;
  select h.slot into place from lockd.hold h
  where h.resource = wanted.resource and h.slot > behind and not h.is_held
  order by h.slot limit 1
  for update skip locked;
  if found then
    return place;
  end if;
  select max(h.slot) + 1 into place from lockd.hold h where h.resource = wanted.resource;
  return case when place <= coalesce(wanted.permits, place) then place end;
end $$;

-- Grants what can be granted, first come first served: readers behind a writer wait, so neither starves.
-- Whoever calls it has locked place 0. What belongs to processes that are over is free: a wait when its
-- turn has come, so that a long line costs no more than a short one.
create function lockd.serve(wanted text, asking uuid default null) returns void
language plpgsql volatile as $$
declare
  next lockd.waiter;
  place integer;
  behind integer := 0;
  places integer;
  granted bigint;
begin
  update lockd.hold h set is_held = false
  where h.resource = wanted and h.is_held and not exists (
    select from lockd.lease l
    where l.lock_id = h.process and l.token = h.process_token and l.ended_at is null);
  if lockd.is_certain() then
    select greatest(h.token, e.token) into granted from lockd.hold h, lockd.epoch e
    where h.resource = wanted and h.slot = 0;
    for next in select w.* from lockd.waiter w where w.resource = wanted order by w.id loop
      if lockd.is_alive(next.process, next.process_token) then
        place := lockd.place_for(next, behind);
        exit when place is null;
        granted := lockd.next_hold_token(granted);
        insert into lockd.hold as h
          (resource, slot, token, is_held, permits, process, process_token, request, owner, details,
           since)
        values (wanted, place, granted, true, next.permits, next.process, next.process_token,
                next.request, next.owner, next.details, clock_timestamp())
        on conflict (resource, slot) do update
        set token = excluded.token, is_held = true, permits = excluded.permits,
            process = excluded.process, process_token = excluded.process_token,
            request = excluded.request, owner = excluded.owner, details = excluded.details,
            since = excluded.since;
        -- At place 0 it is the last: whoever comes next has no place.
        if place > 0 then
          behind := place;
          places := next.permits;
        end if;
        if next.request is distinct from asking then
          perform lockd.tell_process(next.process, 'granted', next.request,
            json_build_object('token', granted::text, 'slot', place));
        end if;
      end if;
      delete from lockd.waiter w where w.resource = wanted and w.id = next.id;
    end loop;
    if behind > 0 then
      update lockd.hold h
      set permits = places, token = granted, since = clock_timestamp()
      where h.resource = wanted and h.slot = 0;
    end if;
  end if;
  update lockd.hold h
  set is_divided = now.is_divided, is_awaited = now.is_awaited
  from (select exists (select from lockd.hold o where o.resource = wanted and o.slot > 0) as is_divided,
               exists (select from lockd.waiter w where w.resource = wanted) as is_awaited) now
  where h.resource = wanted and h.slot = 0
    and (h.is_divided <> now.is_divided or h.is_awaited <> now.is_awaited);
end $$;

-- Locks place 0, made where it is missing.
create function lockd.place_zero(wanted text) returns lockd.hold
language plpgsql volatile as $$
declare
  head lockd.hold;
begin
  loop
    select h.* into head from lockd.hold h
    where h.resource = wanted and h.slot = 0
    for no key update;
    if found then
      return head;
    end if;
    insert into lockd.hold (resource, slot) values (wanted, 0) on conflict do nothing;
  end loop;
end $$;

-- Everything the quick way does not do: other modes, waiting, and saying why not.
create function lockd.ask_hold(
  by_process integer, by_token bigint, wanted text, shared boolean, places integer,
  asking uuid, who text, about json, stays boolean
)
returns table (status text, token bigint, slot integer, used_as text, holders json)
language plpgsql volatile as $$
declare
  head lockd.hold := lockd.place_zero(wanted);
  is_used boolean;
begin
  perform lockd.serve(wanted);
  select h.* into head from lockd.hold h where h.resource = wanted and h.slot = 0;
  is_used := head.is_awaited
    or exists (select from lockd.hold h where h.resource = wanted and h.is_held);
  if exists (select from lockd.hold h where h.resource = wanted and h.is_held and h.owner = who) then
    status := 'holds';
  elsif exists (
    select from lockd.waiter w
    where w.resource = wanted and w.owner = who and lockd.is_alive(w.process, w.process_token))
  then
    status := 'waits';
  elsif is_used and head.permits is distinct from places then
    status := 'mismatch';
    used_as := coalesce(head.permits || ' permits', 'an exclusive or shared lock');
  else
    if head.permits is distinct from places then
      update lockd.hold h set permits = places where h.resource = wanted and h.slot = 0;
    end if;
    insert into lockd.waiter (resource, is_shared, permits, process, process_token, request, owner, details)
    values (wanted, shared, places, by_process, by_token, asking, who, about);
    perform lockd.serve(wanted, asking);
    select 'granted', h.token, h.slot into status, token, slot from lockd.hold h
    where h.resource = wanted and h.request = asking and h.is_held;
    if not found then
      status := 'queued';
      if not stays then
        delete from lockd.waiter w where w.resource = wanted and w.request = asking;
        perform lockd.serve(wanted);
        status := case
          when lockd.is_certain() and lockd.is_alive(by_process, by_token) then 'busy'
          else 'doubtful'
        end;
      end if;
    end if;
  end if;
  if status <> 'granted' then
    -- Whoever waits behind ten thousand readers is told of some of them.
    holders := (
      select json_agg(told) from (
        select h.* from lockd.holding h where h.resource = wanted order by h.slot limit 100) told);
  end if;
  return next;
end $$;

-- Gives up a hold or a wait, whichever it is by now, and serves who is next. True where it was a hold.
create function lockd.leave(wanted text, asked uuid) returns boolean
language plpgsql volatile as $$
declare
  head lockd.hold := lockd.place_zero(wanted);
  was_held boolean;
begin
  update lockd.hold h set is_held = false
  where h.resource = wanted and h.request = asked and h.is_held;
  was_held := found;
  if head.is_awaited then
    delete from lockd.waiter w where w.resource = wanted and w.request = asked;
    perform lockd.serve(wanted);
  end if;
  return was_held;
end $$;

-- The way back for exclusive holds, quick where nobody waits. False for what was no hold any more. The row
-- is not locked FOR UPDATE: a fenced transaction that still runs holds up the next grant, not this.
create function lockd.drop_holds(resources text[], requests uuid[]) returns boolean[]
language plpgsql volatile as $$
declare
  dropped boolean[];
begin
  if cardinality(resources) > 1 then
    with freed as (
      update lockd.hold h
      set is_held = false
      from (
        select p.ctid as place, a.number
        from unnest(resources, requests) with ordinality as a (resource, request, number),
        lateral (
          select h.ctid from lockd.hold h
          where h.resource = a.resource and h.slot = 0 and h.request = a.request
            and h.is_held and not h.is_awaited
          for no key update) p) f
      where h.ctid = f.place
      returning f.number)
    select array_agg(f.number is not null order by i) into dropped
    from generate_subscripts(resources, 1) i left join freed f on f.number = i;
  end if;
  for i in 1 .. cardinality(resources) loop
    continue when dropped[i];
    update lockd.hold h
    set is_held = false
    where h.resource = resources[i] and h.slot = 0 and h.request = requests[i]
      and h.is_held and not h.is_awaited;
    dropped[i] := found or lockd.leave(resources[i], requests[i]);
  end loop;
  return dropped;
end $$;

-- Says for how long, from its grant, a hold is wanted now. False where it is lost.
create function lockd.extend_hold(wanted text, asked uuid, about json) returns boolean
language plpgsql volatile as $$
begin
  update lockd.hold h set details = about
  where h.resource = wanted and h.request = asked and h.is_held
    and lockd.is_alive(h.process, h.process_token);
  return found;
end $$;

-- Frees what a process had under tokens that are over, and serves who waits there. Place 0 of them all
-- is locked first, in the order of their names, as everybody does who locks more than one. Planned by
-- index, whatever session the end of a lease comes through.
create function lockd.free_each(resources text[], of_process integer, whose bigint) returns void
language plpgsql volatile
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan as $$
declare
  awaited text;
begin
  perform from lockd.hold h
  where h.resource = any (resources) and h.slot = 0
  order by h.resource
  for no key update;
  update lockd.hold h set is_held = false
  where h.resource = any (resources) and h.process = of_process and h.process_token <= whose
    and h.is_held;
  delete from lockd.waiter w
  where w.resource = any (resources) and w.process = of_process and w.process_token <= whose;
  for awaited in
    select h.resource from lockd.hold h
    where h.resource = any (resources) and h.slot = 0 and h.is_awaited
    order by h.resource
  loop
    perform lockd.serve(awaited);
  end loop;
end $$;

-- True where there was one.
create function lockd.clear_doubt(of_process integer, whose bigint) returns boolean
language plpgsql volatile as $$
begin
  delete from lockd.doubt d where d.process = of_process and d.process_token <= whose;
  return found;
end $$;

-- All who are kept waiting, once the last doubt has gone.
create function lockd.kept_waiting() returns setof text
language sql stable as $$
  select h.resource from lockd.hold h where h.slot = 0 and h.is_awaited and lockd.is_certain()
$$;

-- When the lease of a process moves on from a token, by release, confession, testimony, expiry or the
-- next term, its holds under that token are free. The first term in a new epoch begins it: who else had
-- a lease that has not ended may still work under what was forgotten, under tokens no later than its
-- lease. In the same transaction, so that no lease is over whose holds are not. Locked in this order:
-- lease, epoch, doubt, holds.
create function lockd.process_moved() returns trigger language plpgsql as $$
declare
  freed text[];
begin
  if new.ended_at is null and not exists (select from lockd.epoch) then
    insert into lockd.epoch (token)
    select coalesce(max(floor(extract(epoch from known.beat_at) * 1000000)::bigint + l.ttl_ms * 1000::bigint), 0)
    from lockd.lease l,
      lateral (select case when l.lock_id = new.lock_id then old.beat_at else l.beat_at end as beat_at) known
    where l.is_process
    on conflict do nothing;
    if found then
      insert into lockd.doubt as d (process, process_token, ttl_ms)
      select l.lock_id, l.token, l.ttl_ms from lockd.lease l
      where l.is_process and l.token > 0 and l.ended_at is null and l.lock_id <> new.lock_id
      on conflict (process) do update
      set process_token = greatest(d.process_token, excluded.process_token), ttl_ms = excluded.ttl_ms;
      -- A promotion or a restore may have lost the leases as well: the first process of a timeline waits
      -- for those, too. On the first timeline there was nothing to lose.
      if new.timeline > '00000001' and not exists (
        select from lockd.lease l
        where l.is_process and l.lock_id <> new.lock_id
          and l.timeline = new.timeline and l.system_identifier = new.system_identifier)
      then
        insert into lockd.doubt as d (process, process_token, ttl_ms)
        select 0, 0, greatest(new.ttl_ms, max(l.ttl_ms)) from lockd.lease l where l.is_process
        on conflict (process) do update set ttl_ms = greatest(d.ttl_ms, excluded.ttl_ms);
      end if;
    end if;
  end if;
  freed := array(
    select h.resource from lockd.hold h
    where h.process = new.lock_id and h.process_token <= old.token and h.is_held
    union
    select w.resource from lockd.waiter w
    where w.process = new.lock_id and w.process_token <= old.token);
  if lockd.clear_doubt(new.lock_id, old.token) then
    freed := array(select unnest(freed) union select lockd.kept_waiting());
  end if;
  if cardinality(freed) > 0 then
    perform lockd.free_each(freed, new.lock_id, old.token);
  end if;
  return null;
end $$;

create trigger process_moved after update of token, ended_at on lockd.lease
  for each row when (new.is_process and (new.token <> old.token or old.ended_at is distinct from new.ended_at))
  execute function lockd.process_moved();

-- Ends the lease of a process that was silent for its TTL by the caller's own clock: exactly this beat.
-- Its process trusts itself for less than a TTL from when it sent that beat, so it has stopped.
create function lockd.expire(silent integer, seen_token bigint, seen_beat bigint) returns boolean
language plpgsql volatile as $$
begin
  if silent = 0 then
    if not lockd.clear_doubt(silent, seen_token) then
      return false;
    end if;
    perform lockd.free_each(array(select lockd.kept_waiting()), silent, seen_token);
    return true;
  end if;
  perform from lockd.lease l
  where l.lock_id = silent and l.is_process and l.token = seen_token and l.beat = seen_beat
    and l.ended_at is null
  for update;
  return found and lockd.mark_ended(silent, seen_token, 'expiry', 'fell silent');
end $$;

-- Serves those who wait and whom nobody else serves: a fenced transaction that held up a grant has ended
-- and told nobody, or a lease ended while a grant under it was on its way. Called by those who wait.
create function lockd.serve_stuck(resources text[]) returns void
language plpgsql volatile as $$
declare
  stuck text;
begin
  delete from lockd.doubt d using (
    select o.process from lockd.doubt o
    where o.process <> 0 and not lockd.is_alive(o.process, o.process_token)
    for update skip locked) gone
  where d.process = gone.process;
  if not lockd.is_certain() then
    return;
  end if;
  for stuck in
    select h.resource from lockd.hold h,
      lateral (
        select w.* from lockd.waiter w where w.resource = h.resource order by w.id limit 1) first,
      lateral (
        select count(*) as places, coalesce(bool_or(o.slot = 0), false) as is_alone
        from lockd.hold o
        join lockd.lease l
          on l.lock_id = o.process and l.token = o.process_token and l.ended_at is null
        where o.resource = h.resource and o.is_held) used
    where h.resource = any (resources) and h.slot = 0 and (
      not lockd.is_alive(first.process, first.process_token)
      or not used.is_alone and case
        when first.is_shared then true
        else used.places < coalesce(first.permits, 1)
      end)
    order by h.resource
  loop
    perform lockd.place_zero(stuck);
    perform lockd.serve(stuck);
  end loop;
end $$;

-- Who holds what, and whether their process is alive as far as the server knows.
create view lockd.holding as
  select h.resource, h.slot, h.token::text as token, h.request, h.owner, h.details, h.since,
         (extract(epoch from clock_timestamp() - h.since) * 1000)::bigint as for_ms,
         case when h.slot = 0 then 'exclusive' when head.permits is null then 'shared' else 'permits' end as mode,
         head.permits, h.process, h.process_token::text as process_token, l.label, l.instance
  from lockd.hold h
  join lockd.hold head on head.resource = h.resource and head.slot = 0
  join lockd.lease l on l.lock_id = h.process and l.token = h.process_token and l.ended_at is null
  where h.is_held;

create view lockd.waiting as
  select w.id::text as id, w.resource, w.request, w.owner, w.details, w.since,
         (extract(epoch from clock_timestamp() - w.since) * 1000)::bigint as for_ms,
         case when w.is_shared then 'shared' when w.permits is null then 'exclusive' else 'permits' end as mode,
         w.permits, w.process, w.process_token::text as process_token, l.label, l.instance
  from lockd.waiter w
  join lockd.lease l on l.lock_id = w.process and l.token = w.process_token and l.ended_at is null;

-- Asks whoever holds a resource to let it go. Answers whom it has asked.
create function lockd.ask_back(wanted text, why json) returns setof uuid
language sql volatile as $$
  select h.request from lockd.holding h,
    lateral (select lockd.tell_process(h.process, 'asked', h.request, why)) told
  where h.resource = wanted
$$;

-- Takes these holds away, whatever their processes do. A transaction fenced with their token that runs
-- already holds up the next grant; one that begins now is refused.
create function lockd.take_back(wanted text, whose uuid[], why json) returns integer
language plpgsql volatile as $$
declare
  taken lockd.hold;
  count integer := 0;
begin
  perform lockd.place_zero(wanted);
  for taken in
    update lockd.hold h set is_held = false
    where h.resource = wanted and h.request = any (whose) and h.is_held
    returning h.*
  loop
    count := count + 1;
    perform lockd.tell_process(taken.process, 'taken', taken.request, why);
  end loop;
  perform lockd.serve(wanted);
  return count;
end $$;

-- Rows of resources that nobody has used for an hour, some at a time: answers where to go on, or null.
-- Frees what was granted under a lease that was just ending, and nobody has asked for since. Only
-- housekeeping goes by the database's clock.
create function lockd.clear_away(behind text default '', batch integer default 1000) returns text
language plpgsql volatile as $$
declare
  seen text[];
  idle text[];
  forgotten bigint;
  stray text;
begin
  seen := array(
    select h.resource from lockd.hold h
    where h.resource > behind and h.slot = 0
    order by h.resource limit batch);
  for stray in
    select h.resource from lockd.hold h
    where h.resource = any (seen) and h.is_held and not lockd.is_alive(h.process, h.process_token)
    union
    select w.resource from lockd.waiter w
    where w.resource = any (seen) and not lockd.is_alive(w.process, w.process_token)
    order by 1
  loop
    perform lockd.place_zero(stray);
    perform lockd.serve(stray);
  end loop;
  idle := array(
    select h.resource from lockd.hold h
    where h.resource = any (seen) and h.slot = 0 and not h.is_held and not h.is_awaited
      and coalesce(h.since, '-infinity') < clock_timestamp() - interval '1 hour'
    for update skip locked);
  -- All places of a resource or none: a gap would be a place that nobody can have.
  idle := array(
    select free.resource from (
      select h.resource from lockd.hold h
      where h.resource = any (idle) and not h.is_held
      for update skip locked) free
    group by free.resource
    having count(*) = (select count(*) from lockd.hold o where o.resource = free.resource));
  select max(h.token) into forgotten from lockd.hold h where h.resource = any (idle);
  delete from lockd.hold h where h.resource = any (idle);
  if forgotten >= lockd.next_hold_token(0) then
    update lockd.epoch e set token = greatest(e.token, forgotten);
  end if;
  return seen[batch];
end $$;

-- Processes that have been over for an hour, or gone for a day and hold nothing, and have no session.
create function lockd.forget_processes(batch integer default 1000) returns void
language plpgsql volatile as $$
declare
  present bigint[] := array(
    select s.object from lockd.advisory_locks(lockd.seat_class()) s
    union
    select w.object from lockd.advisory_locks(lockd.hold_class()) w
    union
    select i.lock_id from lockd.instance i
    join lockd.advisory_locks(lockd.presence_class()) p on p.object = i.id);
  busy integer[] := array(
    select h.process from lockd.hold h where h.is_held
    union
    select w.process from lockd.waiter w
    union
    select d.process from lockd.doubt d);
  gone integer[];
begin
  gone := array(
    select l.lock_id from lockd.lease l
    join lockd.lock k on k.id = l.lock_id
    where l.is_process and l.lock_id <> all (present)
      and case
        when l.ended_at is null
          then coalesce(l.beat_at, k.created_at) < clock_timestamp() - interval '1 day'
               and l.lock_id <> all (busy)
        else l.ended_at < clock_timestamp() - interval '1 hour'
      end
    limit batch
    for update of l skip locked);
  delete from lockd.doubt d where d.process = any (gone);
  delete from lockd.term t where t.lock_id = any (gone);
  delete from lockd.instance i where i.lock_id = any (gone);
  delete from lockd.fence f where f.lock_id = any (gone);
  delete from lockd.lease l where l.lock_id = any (gone);
  delete from lockd.lock l where l.id = any (gone);
end $$;

-- The guard for a user's own transaction under a hold, as \`fence\` is for a term: call it first. The lock
-- on the row lets the hold be given back and others stand in line, and holds up the next grant until
-- this transaction ends.
create function lockd.fence_hold(held text, mine bigint) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp as $$
begin
  perform from lockd.hold h
  where h.resource = held and h.token = mine and h.is_held
    and lockd.is_alive(h.process, h.process_token)
  for key share;
  if not found then
    raise exception 'token % of the resource "%" is stale', mine, held
      using errcode = 'LKD01', hint = 'The hold is over. Roll back and stop working under this token.';
  end if;
end $$;

revoke execute on function lockd.fence_hold(text, bigint) from public;
`,
  '0004_succession.sql': `-- Who goes first when a seat comes free. The server's queue says who is next; these say who of those that
-- are next lets somebody else go before it. Nothing here says when it is safe to start: the lease does, as
-- ever. And nothing here is waited for beyond a bound: whoever is preferred and does not come is passed over.

-- rank: what kind it is (0: when its process started, in ms; 1: a version; 2: a number somebody chose), and
-- then what is compared. A deploy that begins to tell versions is newer than the one before.
alter table lockd.instance
  add column rank bigint[] not null default '{}',
  add column is_eligible boolean not null default true,
  add column app_version text,
  add column clock_offset_ms double precision;
comment on column lockd.instance.clock_offset_ms is
  'Its clock less the server''s when it registered. For people: no decision compares clocks.';

create table lockd.handoff (
  lock_id     integer primary key references lockd.lock,
  -- The term that is handed over, and what became of it.
  token       bigint not null,
  origin      uuid not null,
  heir        uuid not null,
  asked_by    text not null,
  asked_at    timestamptz not null default clock_timestamp(),
  expires_at  timestamptz not null,
  is_ready    boolean,
  note        text,
  released_at timestamptz,
  taken       bigint
);
comment on table lockd.handoff is 'The latest handoff of each name: asked for, answered by the heir, released, taken.';

-- Of two that were started within a minute of one another neither is of a newer deploy.
create function lockd.outranks(one bigint[], other bigint[]) returns boolean
language sql immutable as $$
  select case when one[1] = 0 and other[1] = 0 then one[2] > other[2] + 60000 else one > other end
$$;

create function lockd.is_present(seat_id integer, who uuid) returns boolean
language sql stable as $$
  select exists (
    select from lockd.instance i
    join lockd.advisory_locks(lockd.presence_class()) l on l.object = i.id and l.is_granted
    where i.lock_id = seat_id and i.instance = who)
$$;

-- Who goes before whoever has just been granted the seat: null, nobody. First the heir of a handoff; where
-- it does not come, or has come and ended at once, whoever handed over. Else who outranks it, but for the
-- last leader: having let go it does not take the seat back. It is passed over after yielded_ms.
create function lockd.before(seat_id integer, who uuid, who_rank bigint[], yielded_ms integer) returns uuid
language plpgsql stable as $$
declare
  first uuid;
begin
  select case when h.taken is null and h.released_at > clock_timestamp() - interval '2 s'
                and lockd.is_present(seat_id, h.heir) then h.heir
              when lockd.is_present(seat_id, h.origin) then h.origin end
  into first from lockd.handoff h
  where h.lock_id = seat_id
    -- A frozen heir that is granted the seat loses it after a heartbeat.
    and h.released_at > clock_timestamp() - interval '10 s' - (
      select l.heartbeat_ms from lockd.lease l where l.lock_id = seat_id) * interval '1 ms'
    and exists (
      select from lockd.lease l
      where l.lock_id = seat_id and l.ended_at is not null
        and (l.token = h.token or l.token = h.taken and l.ended_at < l.acquired_at + interval '2 s'))
    and yielded_ms < 5000;
  if first is not null then
    return nullif(first, who);
  end if;
  select i.instance into first from lockd.instance i
  where i.lock_id = seat_id and i.is_eligible and lockd.outranks(i.rank, who_rank)
    and yielded_ms < 1000 and i.instance <> who
    and i.instance is distinct from (select l.instance from lockd.lease l where l.lock_id = seat_id)
    and lockd.is_present(seat_id, i.instance)
  order by i.rank desc, i.id limit 1;
  return first;
end $$;

drop function lockd.attempt(integer, integer, integer);

-- One attempt: stand in the server's queue for the seat, no longer than wait_ms, and give way where somebody
-- goes first. A replica grants advisory locks, and a backend that already holds the key belongs to somebody
-- else: both are refused before waiting. The lease is read by a statement of its own, after the grant.
create function lockd.attempt(
  seat_id integer, wait_ms integer, idle_ms integer, who uuid, who_rank bigint[], yielded_ms integer)
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
  if status = 'granted' and lockd.before(seat_id, who, who_rank, yielded_ms) is not null then
    perform pg_advisory_unlock(lockd.class_key(lockd.seat_class()), seat_id);
    -- Whoever goes first stands in the queue already, or is about to.
    perform pg_sleep(0.02);
    status := 'yielded';
  end if;
  select s.* into lease from lockd.seat s where s.lock_id = seat_id;
  return next;
end $$;

drop function lockd.register(integer, uuid, text, text, integer, text, jsonb);

-- Presence: the advisory lock is taken before the row can be seen, so a visible row without
-- its lock belongs to a session that is gone.
create function lockd.register(
  seat integer, who uuid, label text, host text, pid integer, version text, metadata jsonb,
  rank bigint[], is_eligible boolean, app_version text, clock_ms double precision
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
  insert into lockd.instance (
      id, instance, lock_id, label, host, pid, version, metadata, rank, is_eligible, app_version,
      clock_offset_ms)
    overriding system value
    values (presence, who, seat, label, host, pid, version, metadata, rank, is_eligible, app_version,
            clock_ms - extract(epoch from clock_timestamp()) * 1000);
  perform lockd.forget_terms(seat);
  return lockd.channel(seat);
end $$;

-- News is left out where somebody has filled the server's queue of notices, because the commit would fail,
-- and with it the takeover: who waits looks at the row all the same. A request has no other way.
create or replace function lockd.tell(seat integer, kind text, token bigint, reason text) returns void
language sql volatile as $$
  select pg_notify(lockd.channel(seat),
    json_build_object('kind', kind, 'token', token::text, 'reason', reason)::text)
  where kind in ('resign', 'prepare', 'declined') or pg_notification_queue_usage() < 0.9
$$;

-- Asks an instance to get ready to lead after the term with this token: 'asked'; 'gone' where that term is
-- over, or the instance has gone or may not lead. Once an heir was ready the leader has been asked, and
-- finishes its work: nobody else can be its heir in this time ('under-way').
create function lockd.ask_handoff(
  seat_id integer, whose bigint, new_heir uuid, by_whom text, within_ms bigint
) returns text
language plpgsql volatile as $$
begin
  insert into lockd.handoff as h (lock_id, token, origin, heir, asked_by, expires_at)
  select l.lock_id, l.token, l.instance, i.instance, by_whom,
         clock_timestamp() + within_ms * interval '1 ms'
  from lockd.lease l
  join lockd.instance i on i.lock_id = l.lock_id and i.instance = new_heir and i.is_eligible
  where l.lock_id = seat_id and l.token = whose and l.ended_at is null and l.instance <> new_heir
    and lockd.is_present(seat_id, new_heir)
  on conflict (lock_id) do update
  set token = excluded.token, origin = excluded.origin, heir = excluded.heir,
      asked_by = excluded.asked_by, asked_at = clock_timestamp(), expires_at = excluded.expires_at,
      is_ready = null, note = null, released_at = null, taken = null
  where h.token <> excluded.token or h.is_ready is not true or h.expires_at < clock_timestamp();
  if found then
    perform lockd.tell(seat_id, 'prepare', whose, new_heir::text);
    return 'asked';
  end if;
  return coalesce((
    select case when h.heir = new_heir then 'asked' else 'under-way' end
    from lockd.handoff h where h.lock_id = seat_id and h.token = whose and h.is_ready), 'gone');
end $$;

-- The heir's answer. Ready, it is told to the leader as a request to resign.
create function lockd.answer_handoff(
  seat_id integer, whose bigint, who uuid, ready boolean, why text
) returns boolean
language plpgsql volatile as $$
begin
  update lockd.handoff h set is_ready = ready, note = why
  where h.lock_id = seat_id and h.token = whose and h.heir = who and h.is_ready is null
    and h.expires_at > clock_timestamp();
  if not found then
    return false;
  end if;
  perform lockd.tell(seat_id, case when ready then 'resign' else 'declined' end, whose,
                     case when ready then 'handed-over' else why end);
  return true;
end $$;

create or replace function lockd.mark_ended(seat_id integer, whose bigint, marked_by text, why text)
returns boolean
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
  update lockd.handoff h set released_at = clock_timestamp()
  where h.lock_id = seat_id and h.token = whose and h.is_ready;
  return true;
end $$;

create or replace function lockd.succeed(
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
  update lockd.handoff h set taken = granted
  where h.lock_id = before.lock_id and h.token = seen_token and h.heir = who;
  return granted;
end $$;

drop function lockd.takeover(
  integer, integer, bigint, bigint, boolean, bigint, uuid, text, integer, integer, integer);

-- The takeover: fence gate, then succession. The gate queues behind the fenced transactions that run
-- and ahead of all that come, so it is neither overtaken nor starved.
create function lockd.takeover(
  seat_id integer, backend integer,
  seen_token bigint, seen_beat bigint, seen_ended boolean, highest_token bigint,
  who uuid, who_label text, new_ttl_ms integer, new_heartbeat_ms integer, wait_ms integer
)
returns table (status text, token bigint, gap_ms bigint, blockers integer[])
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
  gap_ms := (select t.gap_ms from lockd.term t where t.lock_id = seat_id and t.token = takeover.token);
  return next;
end $$;
`,
  '0005_silence.sql': `-- What whoever asked and was refused has seen of a silent process, so that the next one who asks goes on
-- from there: a job that runs for a moment would otherwise be refused by the dead for ever.
--
-- Not logged, and of one run of the server: after a crash or a promotion a lease may stand at an earlier
-- beat than was seen, and what was seen then proves nothing.
create unlogged table lockd.silence (
  process   integer not null,
  -- Its machine since it was started, as told by whoever asked: clocks of two cannot be compared.
  machine   text not null,
  token     bigint not null,
  beat      bigint not null,
  -- When exactly this beat was first seen to stand: by the machine's monotonic clock, by its clock since
  -- boot, by the server's.
  mono_ms   double precision not null,
  boot_ms   double precision not null,
  seen_at   timestamptz not null default clock_timestamp(),
  server_began timestamptz not null default pg_postmaster_start_time(),
  primary key (process, machine)
);
comment on table lockd.silence is
  'Silent processes whose hold somebody was refused: one row for each, and each machine that has seen it.';

-- Whether this beat has stood for the TTL of its process since it was first seen on that machine; else it
-- is noted. Whoever asks has read the beat before its clocks. All three clocks have to say so, because
-- each may be wrong where the other two are not: copies of a virtual machine have the same boot id, and
-- monotonic clocks that have gone apart; in a time namespace both clocks of a machine are shifted; and
-- the server's may be set. A clock that went back begins anew.
create function lockd.sight(
  silent integer, seen_token bigint, seen_beat bigint, on_machine text,
  now_mono_ms double precision, now_boot_ms double precision
) returns boolean
language plpgsql volatile as $$
declare
  lasts_ms integer;
  first lockd.silence;
begin
  select l.ttl_ms into lasts_ms from lockd.lease l
  where l.lock_id = silent and l.is_process and l.token = seen_token and l.beat = seen_beat
    and l.ended_at is null
  union all
  select d.ttl_ms from lockd.doubt d
  where d.process = 0 and silent = 0 and d.process_token = seen_token;
  if not found then
    return false;
  end if;
  select s.* into first from lockd.silence s
  where s.process = silent and s.machine = on_machine
    and s.token = seen_token and s.beat = seen_beat
    and s.server_began = pg_postmaster_start_time()
    and s.mono_ms <= now_mono_ms and s.boot_ms <= now_boot_ms and s.seen_at <= clock_timestamp();
  if found then
    return now_mono_ms - first.mono_ms >= lasts_ms
      and now_boot_ms - first.boot_ms >= lasts_ms
      and clock_timestamp() - first.seen_at >= lasts_ms * interval '1 ms';
  end if;
  insert into lockd.silence as s (process, machine, token, beat, mono_ms, boot_ms)
  values (silent, on_machine, seen_token, seen_beat, now_mono_ms, now_boot_ms)
  on conflict (process, machine) do update
  set token = excluded.token, beat = excluded.beat, mono_ms = excluded.mono_ms,
      boot_ms = excluded.boot_ms, seen_at = excluded.seen_at, server_began = excluded.server_began
  -- Two that see it for the first time at once: the first one's stays.
  where (s.token, s.beat, s.server_began) is distinct from
        (excluded.token, excluded.beat, excluded.server_began)
    or s.mono_ms > excluded.mono_ms or s.boot_ms > excluded.boot_ms or s.seen_at > excluded.seen_at;
  return false;
end $$;

create or replace function lockd.expire(silent integer, seen_token bigint, seen_beat bigint)
returns boolean
language plpgsql volatile as $$
begin
  if silent = 0 then
    if not lockd.clear_doubt(silent, seen_token) then
      return false;
    end if;
    perform lockd.free_each(array(select lockd.kept_waiting()), silent, seen_token);
  else
    perform from lockd.lease l
    where l.lock_id = silent and l.is_process and l.token = seen_token and l.beat = seen_beat
      and l.ended_at is null
    for update;
    if not found or not lockd.mark_ended(silent, seen_token, 'expiry', 'fell silent') then
      return false;
    end if;
  end if;
  delete from lockd.silence s where s.process = silent;
  return true;
end $$;

create or replace function lockd.forget_processes(batch integer default 1000) returns void
language plpgsql volatile as $$
declare
  present bigint[] := array(
    select s.object from lockd.advisory_locks(lockd.seat_class()) s
    union
    select w.object from lockd.advisory_locks(lockd.hold_class()) w
    union
    select i.lock_id from lockd.instance i
    join lockd.advisory_locks(lockd.presence_class()) p on p.object = i.id);
  busy integer[] := array(
    select h.process from lockd.hold h where h.is_held
    union
    select w.process from lockd.waiter w
    union
    select d.process from lockd.doubt d);
  gone integer[];
begin
  gone := array(
    select l.lock_id from lockd.lease l
    join lockd.lock k on k.id = l.lock_id
    where l.is_process and l.lock_id <> all (present)
      and case
        when l.ended_at is null
          then coalesce(l.beat_at, k.created_at) < clock_timestamp() - interval '1 day'
               and l.lock_id <> all (busy)
        else l.ended_at < clock_timestamp() - interval '1 hour'
      end
    limit batch
    for update of l skip locked);
  delete from lockd.silence s
  where s.process = any (gone) or s.seen_at < clock_timestamp() - interval '2 days';
  delete from lockd.doubt d where d.process = any (gone);
  delete from lockd.term t where t.lock_id = any (gone);
  delete from lockd.instance i where i.lock_id = any (gone);
  delete from lockd.fence f where f.lock_id = any (gone);
  delete from lockd.lease l where l.lock_id = any (gone);
  delete from lockd.lock l where l.id = any (gone);
end $$;

-- By the server's clock, which is for people and for pacing: whether the process of a hold has missed two
-- beats, and whether it has been silent for its TTL.
create or replace view lockd.holding as
  select h.resource, h.slot, h.token::text as token, h.request, h.owner, h.details, h.since,
         (extract(epoch from clock_timestamp() - h.since) * 1000)::bigint as for_ms,
         case when h.slot = 0 then 'exclusive' when head.permits is null then 'shared' else 'permits' end as mode,
         head.permits, h.process, h.process_token::text as process_token, l.label, l.instance,
         clock_timestamp() - l.beat_at > l.heartbeat_ms * interval '2 ms' as is_overdue,
         clock_timestamp() - l.beat_at > l.ttl_ms * interval '1 ms' as is_silent
  from lockd.hold h
  join lockd.hold head on head.resource = h.resource and head.slot = 0
  join lockd.lease l on l.lock_id = h.process and l.token = h.process_token and l.ended_at is null
  where h.is_held;

drop function lockd.ask_back(text, json);

-- Asks for these holds of a resource, and nobody who has it since. Answers whom it has asked.
create function lockd.ask_back(wanted text, whose uuid[], why json) returns setof uuid
language sql volatile as $$
  select h.request from lockd.holding h,
    lateral (select lockd.tell_process(h.process, 'asked', h.request, why)) told
  where h.resource = wanted and h.request = any (whose)
$$;

drop function lockd.take_back(text, uuid[], json);

-- Takes these holds away, whatever their processes do. A transaction fenced with their token that runs
-- already holds up the next grant; one that begins now is refused. Answers which it has taken: none of
-- what was given back meanwhile.
create function lockd.take_back(wanted text, whose uuid[], why json) returns setof uuid
language plpgsql volatile as $$
declare
  taken lockd.hold;
begin
  perform lockd.place_zero(wanted);
  for taken in
    update lockd.hold h set is_held = false
    where h.resource = wanted and h.request = any (whose) and h.is_held
    returning h.*
  loop
    perform lockd.tell_process(taken.process, 'taken', taken.request, why);
    return next taken.request;
  end loop;
  perform lockd.serve(wanted);
end $$;

-- Everything the quick way does not do: other modes, waiting, and saying why not. What somebody holds is
-- refused to whatever is asked for within its routines, which would wait for itself: the owners of those
-- travel in the details.
create or replace function lockd.ask_hold(
  by_process integer, by_token bigint, wanted text, shared boolean, places integer,
  asking uuid, who text, about json, stays boolean
)
returns table (status text, token bigint, slot integer, used_as text, holders json)
language plpgsql volatile as $$
declare
  head lockd.hold := lockd.place_zero(wanted);
  is_used boolean;
  askers constant text[] := who || array(select json_array_elements_text(about -> 'within'));
begin
  perform lockd.serve(wanted);
  select h.* into head from lockd.hold h where h.resource = wanted and h.slot = 0;
  is_used := head.is_awaited
    or exists (select from lockd.hold h where h.resource = wanted and h.is_held);
  if exists (
    select from lockd.hold h where h.resource = wanted and h.is_held and h.owner = any (askers))
  then
    status := 'holds';
  elsif exists (
    select from lockd.waiter w
    where w.resource = wanted and w.owner = who and lockd.is_alive(w.process, w.process_token))
  then
    status := 'waits';
  elsif is_used and head.permits is distinct from places then
    status := 'mismatch';
    used_as := coalesce(head.permits || ' permits', 'an exclusive or shared lock');
  else
    if head.permits is distinct from places then
      update lockd.hold h set permits = places where h.resource = wanted and h.slot = 0;
    end if;
    insert into lockd.waiter (resource, is_shared, permits, process, process_token, request, owner, details)
    values (wanted, shared, places, by_process, by_token, asking, who, about);
    perform lockd.serve(wanted, asking);
    select 'granted', h.token, h.slot into status, token, slot from lockd.hold h
    where h.resource = wanted and h.request = asking and h.is_held;
    if not found then
      status := 'queued';
      if not stays then
        delete from lockd.waiter w where w.resource = wanted and w.request = asking;
        perform lockd.serve(wanted);
        status := case
          when lockd.is_certain() and lockd.is_alive(by_process, by_token) then 'busy'
          else 'doubtful'
        end;
      end if;
    end if;
  end if;
  if status <> 'granted' then
    -- Whoever waits behind ten thousand readers is told of some of them.
    holders := (
      select json_agg(told) from (
        select h.* from lockd.holding h
        where h.resource = wanted and (status <> 'holds' or h.owner = any (askers))
        order by h.slot limit 100) told);
  end if;
  return next;
end $$;
`,
};
