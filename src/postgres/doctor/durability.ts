/** Whether a commit lasts, and how long it takes: each beat is one. */
import { isLockdError } from '../../core/errors.ts';
import { sqlStateOf } from '../failures.ts';
import type { Session } from '../session.ts';
import { type Check, note, ok, problem, type Told, warning } from './finding.ts';
import { judged, timed } from './time.ts';
import { path, type Visit } from './visit.ts';

const durability: Check = {
  name: 'durability',
  async look(visit) {
    const { rows } = await visit.ask(
      `select current_setting('fsync')::boolean as is_flushed, current_setting('wal_level') as wal_level,
              current_setting('synchronous_commit') as commit,
              current_setting('synchronous_standby_names') as names,
              pg_has_role('pg_read_all_stats', 'usage') as sees_standbys,
              count(*)::int as standbys,
              (count(*) filter (where sync_state in ('sync', 'quorum')))::int as synchronous
       from pg_stat_replication`,
    );
    const facts: Facts = rows[0];
    return hanging(facts) ?? unflushed(facts) ?? asynchronous(facts) ?? ok(inWords(facts));
  },
};

interface Facts {
  readonly is_flushed: boolean;
  readonly wal_level: string;
  readonly commit: string;
  readonly names: string;
  readonly sees_standbys: boolean;
  readonly standbys: number;
  readonly synchronous: number;
}

function hanging({ names, sees_standbys: seesStandbys, synchronous }: Facts): Told | undefined {
  if (names === '' || synchronous > 0 || !seesStandbys) return undefined;
  return problem(
    `No synchronous standby is there, and each commit waits for one (synchronous_standby_names is ${JSON.stringify(names)}): no beat would be answered.`,
    startStandby,
  );
}

const startStandby =
  'Start a standby of that name, or: alter system reset synchronous_standby_names; select pg_reload_conf();';

function unflushed(facts: Facts): Told | undefined {
  if (facts.is_flushed) return undefined;
  return warning(
    'fsync is off: a crash of the machine may take back the last takeover, and all else with it.',
    'alter system set fsync = on; select pg_reload_conf();',
  );
}

function asynchronous(facts: Facts): Told | undefined {
  if (facts.standbys === 0 || facts.names !== '') return undefined;
  return note(
    `${inWords(facts)} A promotion may lose the last takeover.`,
    'Fence your writes (docs/fencing.md), or name a standby in synchronous_standby_names.',
  );
}

/** What a session commits with by default is shown for the host's own: ours set it. */
function inWords(facts: Facts): string {
  const standbys = facts.sees_standbys
    ? `${facts.standbys} connected, ${facts.synchronous} of them synchronous`
    : `${facts.standbys} connected; which are synchronous only pg_read_all_stats sees`;
  return `fsync ${facts.is_flushed ? 'on' : 'off'}, wal_level ${facts.wal_level}, synchronous_commit ${facts.commit} (lockd’s sessions set it on); standbys: ${standbys}.`;
}

const rounds = 5;

/** Long enough for a slow disk. Who waits longer waits for a standby, and would wait on without us. */
const patienceMs = 2_000;

/** A message in the log that nobody reads: nothing is left of it but the log's own bytes. */
const commits: Check = {
  name: 'commit',
  async look(visit) {
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const time = await committed(visit);
      if (typeof time !== 'number') return time;
      times.push(time);
    }
    return judged('Durable commits', times, visit);
  },
};

async function committed(visit: Visit): Promise<number | Told> {
  const session = await visit.session();
  try {
    const backend = await written(session);
    let cancelling: Promise<unknown> | undefined;
    const timer = setTimeout(() => {
      cancelling = cancelled(visit, backend);
    }, patienceMs);
    try {
      let warnings: readonly string[] = [];
      const time = await timed(async () => {
        ({ warnings } = await session.bounded('commit'));
      });
      if (warnings.length === 0) return time;
      return problem(
        `A commit waits for a standby, and was not answered in ${patienceMs} ms.`,
        startStandby,
      );
    } finally {
      clearTimeout(timer);
      await cancelling; // or it would meet another check
    }
  } catch (error) {
    await session.bounded('rollback').catch(() => {}); // the first error is the one to tell
    if (!isLockdError(error) || sqlStateOf(error.cause) !== '42501') throw error;
    return note('Not measured: this role may not write to the log by itself.', permit);
  }
}

const permit = 'Go by the round trip, or grant it execute on pg_logical_emit_message.';

/** Answers which backend is to commit. */
async function written(session: Session): Promise<number> {
  await session.bounded(`begin read write; ${path}; set local synchronous_commit = on`);
  const { rows } = await session.bounded(
    `select pg_backend_pid() as backend, pg_logical_emit_message(true, 'lockd.doctor', '')`,
  );
  return rows[0].backend;
}

/** A backend that waits for a standby would not notice that we have left. */
const cancelled = (visit: Visit, backend: number): Promise<unknown> =>
  visit.aside((other) => other.bounded('select pg_cancel_backend($1)', [backend])).catch(() => {}); // the session is cut then, and says so

export const durabilityChecks: readonly Check[] = [durability, commits];
