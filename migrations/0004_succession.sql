-- Who goes first when a seat comes free. The server's queue says who is next; these say who of those that
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
