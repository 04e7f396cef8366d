-- The tables. In these files `lockd.` stands for the schema; `lockd migrate --schema` puts another name there.
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
