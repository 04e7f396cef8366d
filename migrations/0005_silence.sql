-- What whoever asked and was refused has seen of a silent process, so that the next one who asks goes on
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
