/**
 * Every statement of the protocol, as it is sent. What the functions do stands in
 * migrations/0002_protocol.sql; names and reasons travel as parameters, the schema is quoted.
 */
import { LockdError } from '../core/errors.ts';
import type { Lease } from '../core/machine/lease.ts';
import type { AttemptAnswer, Bid, BidAnswer, Candidate } from '../core/store.ts';
import { transactionPooling } from './checks.ts';
import { replica } from './failures.ts';
import type { Fenced } from './fence.ts';
import { leaseColumns, leaseOf, onlyRow } from './rows.ts';
import type { Answer } from './session.ts';

export type Ask = (text: string, values?: readonly unknown[], name?: string) => Promise<Answer>;

export async function attempt(
  ask: Ask,
  schema: string,
  seat: number,
  backend: number,
  { instance, rank, passiveIdleMs }: Candidate,
  { waitMs, yieldedMs }: { readonly waitMs: number; readonly yieldedMs: number },
): Promise<AttemptAnswer> {
  // With log_lock_waits a wait beyond deadlock_timeout is a line in the log, and one more each second:
  // attempts stay below it, unless it is so short that this would be a busy loop.
  const { rows } = await ask(
    `select status, ${leaseColumns('(lease)')} from ${schema}.attempt($1, least($2, case
       when current_setting('log_lock_waits')::boolean
         and current_setting('deadlock_timeout')::interval >= interval '500 ms'
       then (extract(epoch from current_setting('deadlock_timeout')::interval) * 750)::integer
     end), $3, $5, $6, $7)
     where pg_backend_pid() = $4`,
    [
      seat,
      Math.round(waitMs),
      passiveIdleMs,
      backend,
      instance,
      `{${rank.join(',')}}`,
      Math.round(yieldedMs),
    ],
  );
  // A pooler has handed us another backend than the one our settings were made on.
  if (rows.length === 0) throw transactionPooling();
  const row = onlyRow(rows);
  if (row.status === 'replica') throw replica();
  if (row.status === 'occupied') {
    throw new LockdError(
      'LOCKD_OCCUPIED',
      'This backend already holds the seat for somebody else: a pooler shares it. Connect directly or through session pooling.',
    );
  }
  const { status } = row;
  return { isGranted: status === 'granted', isYielded: status === 'yielded', lease: leaseOf(row) };
}

export async function readLease(ask: Ask, schema: string, seat: number): Promise<Lease> {
  const { rows } = await ask(
    `select ${leaseColumns('s')} from ${schema}.seat s where s.lock_id = $1`,
    [seat],
  );
  return leaseOf(onlyRow(rows));
}

/** A succession to nobody's seat: it changes nothing, and the plans of a real one are made. */
export async function rehearse(ask: Ask, schema: string): Promise<void> {
  await ask(
    `select ${schema}.succeed(0, 0, 0, false, 0, null, null, 0, 0), ${schema}.before(0, null, '{}', 0)`,
  );
}

export async function takeover(
  ask: Ask,
  schema: string,
  seat: number,
  backend: number,
  bid: Bid,
  who: Candidate,
): Promise<BidAnswer> {
  const answer = await ask(
    `select status, token, gap_ms, blockers
     from ${schema}.takeover($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
    [
      seat,
      backend,
      bid.token,
      bid.beat,
      bid.isEnded,
      bid.highestToken,
      who.instance,
      who.label,
      who.ttlMs,
      who.heartbeatMs,
      bid.waitMs,
    ],
  );
  const { status, token, gap_ms: gapMs, blockers } = onlyRow(certain(answer).rows);
  if (status === 'taken') {
    return {
      outcome: 'taken',
      token: BigInt(token),
      gapMs: gapMs === null ? undefined : Number(gapMs),
    };
  }
  if (status === 'blocked') return { outcome: 'blocked', blockers };
  if (status === 'changed') return { outcome: 'changed' };
  throw new LockdError('LOCKD_UNCERTAIN', 'The seat is not held by this session any more.', {
    isRetryable: true,
  });
}

export async function beat(
  ask: Ask,
  schema: string,
  seat: number,
  backend: number,
  token: bigint,
): Promise<boolean> {
  const answer = await ask(`select ${schema}.beat($1, $2, $3) is not null as is_kept`, [
    seat,
    token,
    backend,
  ]);
  return onlyRow(certain(answer).rows).is_kept;
}

export async function release(
  ask: Ask,
  schema: string,
  seat: number,
  token: bigint,
  reason: string,
): Promise<boolean> {
  const answer = await ask(`call ${schema}.release($1, $2, $3, null)`, [seat, token, reason]);
  return onlyRow(certain(answer).rows).is_marked;
}

export async function testify(
  ask: Ask,
  schema: string,
  seat: number,
  token: bigint,
  by: 'confession' | 'testimony',
  reason: string,
): Promise<boolean> {
  const answer = await ask(`select ${schema}.testify($1, $2, $3, $4) as is_over`, [
    seat,
    token,
    by,
    reason,
  ]);
  return onlyRow(certain(answer).rows).is_over;
}

export async function terminateBlockers(ask: Ask, schema: string, seat: number): Promise<void> {
  const { rows } = await ask(`select ${schema}.end_blockers($1) as refused`, [seat]);
  const { refused } = onlyRow(rows);
  if (refused.length === 0) return;
  throw new LockdError(
    'LOCKD_FENCE_BLOCKED',
    `This role may not end the backends ${refused.join(', ')}, whose transactions hold the takeover up. Grant it pg_signal_backend, or the role they run as; a superuser's only a superuser ends.`,
  );
}

export async function enroll(ask: Ask, schema: string, name: string): Promise<number> {
  const { rows } = await ask(`select ${schema}.enroll($1) as seat`, [name]);
  return onlyRow(rows).seat;
}

/** Registers, and names the channel to listen on. */
export async function register(
  ask: Ask,
  schema: string,
  seat: number,
  who: Candidate,
  process: { host: string; pid: number; version: string; clockMs: number },
): Promise<string> {
  const { rows } = await ask(
    `select ${schema}.register($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) as channel`,
    [
      seat,
      who.instance,
      who.label,
      process.host,
      process.pid,
      process.version,
      JSON.stringify(who.metadata),
      `{${who.rank.join(',')}}`,
      who.isEligible,
      who.appVersion ?? null,
      process.clockMs,
    ],
  );
  return onlyRow(rows).channel;
}

export async function unregister(ask: Ask, schema: string, instance: string): Promise<void> {
  await ask(`delete from ${schema}.instance where instance = $1`, [instance]);
}

/** Asks whoever leads under `token` to resign. */
export async function requestResign(
  ask: Ask,
  schema: string,
  seat: number,
  token: bigint,
  reason: string,
): Promise<void> {
  await ask(`select ${schema}.tell($1, 'resign', $2, $3)`, [seat, token, reason]);
}

/** Answers the mark that this transaction was given, if it was and if there is one. */
export async function fence(ask: Ask, schema: string, fenced: Fenced): Promise<string | null> {
  const { rows } = await ('resource' in fenced
    ? ask(
        `select ${schema}.fence_hold($1, $2), pg_catalog.current_setting('lockd.fence_mark', true) as mark`,
        [fenced.resource, fenced.token],
      )
    : ask(
        `select ${schema}.fence($1, $2), pg_catalog.current_setting('lockd.fence_mark', true) as mark`,
        [fenced.name, fenced.token],
      ));
  return onlyRow(rows).mark;
}

/** The end of the transaction takes it away: at once, where there is none. */
export async function markTransaction(ask: Ask, mark: string): Promise<void> {
  await ask(`select pg_catalog.set_config('lockd.fence_mark', $1, true)`, [mark]);
}

/** A warning beside a write (a cancelled wait for a standby, say) means that it may not be durable. */
function certain(answer: Answer): Answer {
  if (answer.warnings.length === 0) return answer;
  throw new LockdError(
    'LOCKD_UNCERTAIN',
    `The server answered with a warning: ${answer.warnings.join('; ')}`,
    { isRetryable: true },
  );
}
