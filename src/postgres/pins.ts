import type { Candidate } from '../core/store.ts';
import type { Session } from './session.ts';

type Pins = Readonly<Record<string, string>>;

/**
 * What a role, a database or a pooler may impose is set again on each of our sessions; settings this
 * server does not know are left out. Each line has bitten somebody.
 */
const common = (ttlMs: number): Pins => ({
  // Under REPEATABLE READ a lease read after the grant would be from before the wait.
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  // Ours are bounded by the client, which then cuts the connection.
  statement_timeout: '0',
  lock_timeout: '0',
  transaction_timeout: '0',
  idle_in_transaction_session_timeout: String(ttlMs),
  // A takeover lost by a crash while its leader is frozen would be a second leader.
  synchronous_commit: 'on',
  // A warning beside a beat means that it does not count: it has to arrive.
  client_min_messages: 'warning',
  search_path: 'pg_catalog, pg_temp',
});

/** Finds a vanished client within a TTL; not sooner, or a brief cut would cost the term. */
const keepalive = (ttlMs: number): Pins => {
  const seconds = Math.ceil(ttlMs / 1000);
  return {
    tcp_keepalives_idle: String(Math.max(1, Math.ceil(seconds / 2))),
    tcp_keepalives_interval: String(Math.max(1, Math.ceil(seconds / 6))),
    tcp_keepalives_count: '3',
    tcp_user_timeout: String(Math.max(1000, ttlMs)),
  };
};

export const seatPins = ({ ttlMs, passiveIdleMs, isEligible }: Candidate): Pins => ({
  ...common(ttlMs),
  ...keepalive(ttlMs),
  // The server's dead-man's switch; the takeover raises it to the TTL. Who may not lead has nothing to lose.
  idle_session_timeout: String(isEligible ? passiveIdleMs : 0),
});

export const controlPins = ({ ttlMs }: Candidate): Pins => ({
  ...common(ttlMs),
  ...keepalive(ttlMs),
  idle_session_timeout: '0',
});

export const workPins = (who: Candidate): Pins => ({
  ...controlPins(who),
  // What is kept here is not logged, and a crash is seen by its epoch: nothing is worth a flush.
  synchronous_commit: 'off',
  // Planned once, and by index: a plan that was made while the tables were empty reads all of them later.
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  jit: 'off',
});

/** For a single question: status, migration, a request to resign. */
export const visitPins: Pins = { ...common(60_000), idle_session_timeout: '0' };

/** For the session, or for the current transaction: a pooler hands the session on to others. */
export async function pin(
  session: Session,
  pins: Pins,
  scope: 'session' | 'transaction' = 'session',
): Promise<void> {
  const isLocal = scope === 'transaction';
  await session.bounded(
    `select set_config(pin.name, pin.value, $3)
     from unnest($1::text[], $2::text[]) as pin(name, value)
     where current_setting(pin.name, true) is not null`,
    [Object.keys(pins), Object.values(pins), isLocal],
  );
  // Lets the server see that a waiting client is gone. Only some platforms can.
  await session.bounded(
    `select set_config('client_connection_check_interval', '1000', $1)
     where version() ~* 'linux|darwin|apple'`,
    [isLocal],
  );
}
