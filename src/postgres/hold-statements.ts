/** Every statement about holds, as it is sent. What the functions do stands in migrations/. */
import type { Instant } from '../core/clock.ts';
import type { Answer, Beat, Details, LockStore, Queues, Wanted } from '../core/locks/store.ts';
import { type AskedRow, holdingOf, isOverdue, queuesOf } from './hold-rows.ts';
import type { Ask } from './statements.ts';

export async function takeHolds(
  ask: Ask,
  schema: string,
  process: number,
  under: bigint,
  wanted: readonly Wanted[],
): Promise<readonly (bigint | undefined)[]> {
  const { rows } = await ask(
    `select ${schema}.take_holds($1, $2, $3, $4, $5, $6) as tokens`,
    [
      process,
      under,
      wanted.map(({ resource }) => resource),
      wanted.map(({ request }) => request),
      wanted.map(({ owner }) => owner),
      wanted.map(({ details }) => JSON.stringify(details)),
    ],
    'take',
  );
  return rows[0].tokens ?? [];
}

export async function dropHolds(
  ask: Ask,
  schema: string,
  holds: readonly Pick<Wanted, 'resource' | 'request'>[],
): Promise<readonly boolean[]> {
  const { rows } = await ask(
    `select ${schema}.drop_holds($1, $2) as dropped`,
    [holds.map(({ resource }) => resource), holds.map(({ request }) => request)],
    'drop',
  );
  return rows[0].dropped;
}

export async function askHold(
  ask: Ask,
  schema: string,
  process: number,
  under: bigint,
  { resource, request, mode, owner, details }: Wanted,
  mayQueue: boolean,
): Promise<Answer> {
  const { rows } = await ask(
    `select status, token, slot, used_as, holders
     from ${schema}.ask_hold($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      process,
      under,
      resource,
      mode === 'shared',
      typeof mode === 'object' ? mode.permits : null,
      request,
      owner,
      JSON.stringify(details),
      mayQueue,
    ],
    'ask',
  );
  const [{ status, token, slot, used_as: usedAs, holders: found }] = rows as [AskedRow];
  const rowsOfHolders = found ?? [];
  const holders = rowsOfHolders.map(holdingOf);
  switch (status) {
    case 'granted':
      return { is: 'granted', token: BigInt(token), slot };
    case 'mismatch':
      return { is: 'mismatch', usedAs, holders };
    case 'queued':
    case 'busy':
      return { is: status, holders, isOverdue: isOverdue(rowsOfHolders) };
    default:
      return { is: status, holders };
  }
}

export async function leave(
  ask: Ask,
  schema: string,
  resource: string,
  request: string,
): Promise<boolean> {
  const { rows } = await ask(
    `select ${schema}.leave($1, $2) as was_held`,
    [resource, request],
    'leave',
  );
  return rows[0].was_held;
}

export async function describe(
  ask: Ask,
  schema: string,
  resource: string,
  request: string,
  details: Details,
): Promise<boolean> {
  const { rows } = await ask(
    `select ${schema}.extend_hold($1, $2, $3) as is_held`,
    [resource, request, JSON.stringify(details)],
    'describe',
  );
  return rows[0].is_held;
}

/** By the key of each: ten thousand are looked for in a moment. */
export async function gone(
  ask: Ask,
  schema: string,
  held: Parameters<NonNullable<LockStore['gone']>>[0],
): Promise<readonly string[]> {
  const { rows } = await ask(
    `select a.request
     from unnest($1::text[], $2::integer[], $3::uuid[]) as a (resource, slot, request)
     where not exists (
       select from ${schema}.hold h
       where h.resource = a.resource and h.slot = a.slot and h.request = a.request and h.is_held)`,
    [
      held.map(({ resource }) => resource),
      held.map(({ slot }) => slot),
      held.map(({ request }) => request),
    ],
    'gone',
  );
  return rows.map(({ request }) => request);
}

/**
 * Of the processes that hold or wait where `resources` are, and of those in doubt; not of our own. Who
 * can be served by now is served first.
 */
export async function beats(
  ask: Ask,
  schema: string,
  session: number,
  own: number,
  resources: readonly string[],
): Promise<readonly Beat[]> {
  await ask(`select ${schema}.serve_stuck($1)`, [resources], 'stuck');
  const { rows } = await ask(
    `select l.lock_id, l.token, l.beat, l.ttl_ms, d.process is not null as is_doubted,
       clock_timestamp() - l.beat_at > l.heartbeat_ms * interval '2 ms' as is_overdue
     from ${schema}.lease l
     left join ${schema}.doubt d on d.process = l.lock_id and d.process_token = l.token
     where l.is_process and l.ended_at is null and l.lock_id <> $1
       and (d.process is not null
         or l.lock_id in (
           select h.process from ${schema}.hold h where h.resource = any ($2) and h.is_held)
         or l.lock_id in (select w.process from ${schema}.waiter w where w.resource = any ($2)))
     union all
     select d.process, d.process_token, 0, d.ttl_ms, true, true from ${schema}.doubt d where d.process = 0`,
    [own, resources],
    'beats',
  );
  return rows.map((row) => ({
    process: row.lock_id,
    token: BigInt(row.token),
    beat: Number(row.beat),
    ttlMs: row.ttl_ms,
    session,
    isDoubted: row.is_doubted,
    isOverdue: row.is_overdue ?? false,
  }));
}

export async function expire(ask: Ask, schema: string, silent: Beat): Promise<boolean> {
  const { rows } = await ask(
    `select ${schema}.expire($1, $2, $3) as is_ended`,
    [silent.process, silent.token, silent.beat],
    'expire',
  );
  return rows[0].is_ended;
}

export async function sight(
  ask: Ask,
  schema: string,
  silent: Beat,
  machine: string,
  at: Instant,
): Promise<boolean> {
  const { rows } = await ask(
    `select ${schema}.sight($1, $2, $3, $4, $5, $6) as was_seen`,
    [silent.process, silent.token, silent.beat, machine, at.mono, at.boot],
    'sight',
  );
  return rows[0].was_seen;
}

export async function queues(
  ask: Ask,
  schema: string,
  resources: readonly string[] | undefined,
): Promise<Queues> {
  const { rows } = await ask(
    `select
       (select coalesce(json_agg(h order by h.resource, h.since), '[]') from ${schema}.holding h
        where $1::text[] is null or h.resource = any ($1)) as holdings,
       (select coalesce(json_agg(w order by w.resource, w.id::bigint), '[]') from ${schema}.waiting w
        where $1::text[] is null or w.resource = any ($1)) as waitings`,
    [resources ?? null],
    'queues',
  );
  return queuesOf(rows);
}

/** Of these resources, and of all that somebody waits for: of ten thousand holds few are waited for. */
export async function lines(
  ask: Ask,
  schema: string,
  resources: readonly string[],
): Promise<Queues> {
  const { rows } = await ask(
    `select
       (select coalesce(json_agg(h), '[]') from ${schema}.holding h
        where h.resource = any ($1::text[] || array(select w.resource from ${schema}.waiter w))) as holdings,
       (select coalesce(json_agg(w), '[]') from ${schema}.waiting w) as waitings`,
    [resources],
    'lines',
  );
  return queuesOf(rows);
}

export async function askBack(
  ask: Ask,
  schema: string,
  resource: string,
  requests: readonly string[],
  by: string,
  reason: string,
): Promise<readonly string[]> {
  const { rows } = await ask(`select ${schema}.ask_back($1, $2, $3) as request`, [
    resource,
    requests,
    JSON.stringify({ by, reason }),
  ]);
  return rows.map(({ request }) => request);
}

export async function takeBack(
  ask: Ask,
  schema: string,
  resource: string,
  requests: readonly string[],
  by: string,
  reason: string,
): Promise<readonly string[]> {
  const { rows } = await ask(`select ${schema}.take_back($1, $2, $3) as request`, [
    resource,
    requests,
    JSON.stringify({ by, reason }),
  ]);
  return rows.map(({ request }) => request);
}

/** In short steps: others share this session. */
export async function clearAway(ask: Ask, schema: string): Promise<void> {
  for (let behind: string | null = ''; behind !== null; ) {
    const { rows } = await ask(`select ${schema}.clear_away($1) as behind`, [behind], 'clear');
    behind = rows[0].behind;
  }
  await ask(`select ${schema}.forget_processes()`);
}

/** One batch, from the first row that may go; the processes only where there is one that may go. */
export async function clearSome(ask: Ask, schema: string): Promise<void> {
  await Promise.all([
    ask(
      `select ${schema}.clear_away(coalesce(
         (select max(b.resource) from ${schema}.hold b where b.resource < idle.resource), ''))
       from (
         select h.resource from ${schema}.hold h
         where h.slot = 0 and not h.is_held and not h.is_awaited
           and h.since < clock_timestamp() - interval '1 hour'
           and not exists (
             select from ${schema}.hold o where o.resource = h.resource and o.is_held)
         limit 1) idle`,
    ),
    ask(
      `select ${schema}.forget_processes(100)
       where exists (
         select from ${schema}.lease l
         where l.is_process and l.ended_at < clock_timestamp() - interval '1 hour')`,
    ),
  ]);
}

/**
 * One work session of a process at a time: this waits until the backend of the last one has ended, and
 * with it whatever was still under way on it. Its server may not have noticed that nobody is there.
 */
export async function succeedWorker(ask: Ask, schema: string, process: number): Promise<void> {
  await ask(
    `select pg_terminate_backend(l.pid) from ${schema}.advisory_locks(${schema}.hold_class()) l
     where l.object = $1`,
    [process],
  );
  await ask(`select pg_advisory_lock(${schema}.class_key(${schema}.hold_class()), $1)`, [process]);
}
