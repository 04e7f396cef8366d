/** What lockd sets for its sessions, and whether the server then works by it. */
import pg from 'pg';
import { pin, seatPins } from '../pins.ts';
import type { Session } from '../session.ts';
import { type Check, note, ok, problem, warning } from './finding.ts';
import type { Visit } from './visit.ts';

type Settings = Readonly<Record<string, string>>;

/** Which of these are something else than what was asked for; one that this server has not is none. */
export const unkept = (wanted: Settings, found: Settings): string[] =>
  Object.entries(wanted)
    .filter(([name, value]) => found[name] !== undefined && found[name] !== value)
    .map(([name, value]) => `${name} is ${found[name]} instead of ${value}`);

/** As a seat session pins them, read again while they are in force. Those of TCP come from the socket. */
const pinned = (visit: Visit): Promise<{ wanted: Settings; found: Settings; isTcp: boolean }> =>
  visit.undone(async (session) => {
    const wanted = seatPins(visit.patient.candidate);
    await pin(session, wanted, 'transaction');
    const found = await settingsOf(session, [...Object.keys(wanted), checkInterval]);
    const { rows } = await session.bounded('select inet_client_addr() is not null as is_tcp');
    return { wanted, found, isTcp: rows[0].is_tcp };
  });

async function settingsOf(session: Session, names: readonly string[]): Promise<Settings> {
  const { rows } = await session.bounded(
    'select name, setting from pg_settings where name = any($1)',
    [names],
  );
  return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
}

const checkInterval = 'client_connection_check_interval';

const isOfTcp = ([name]: [string, string]): boolean => name.startsWith('tcp_');

const timeouts: Check = {
  name: 'timeouts',
  async look(visit) {
    const { wanted, found } = await pinned(visit);
    const own = Object.entries(wanted).filter((each) => !isOfTcp(each));
    const wrong = unkept(Object.fromEntries(own), found);
    if (wrong.length > 0) {
      return problem(
        `The server does not work by what a session sets: ${wrong.join(', ')}.`,
        'See who sets it again: a pooler, or an extension of the server.',
      );
    }
    if (found[checkInterval] === '0') {
      return note(
        `What lockd sets is in force, but not ${checkInterval}, which this platform does not have.`,
        'None is needed: a standby that vanishes may keep its place in the queue for the length of one attempt.',
      );
    }
    return ok(
      `What lockd sets is in force: ${own
        .map(([name]) => name)
        .filter((name) => name.endsWith('_timeout') && name in found)
        .join(', ')}, ${checkInterval}.`,
    );
  },
};

const keepalives: Check = {
  name: 'keepalives',
  async look(visit) {
    const { wanted, found, isTcp } = await pinned(visit);
    if (!isTcp) return ok('None are needed: the server is reached by a unix socket.');
    const tcp = Object.entries(wanted).filter(isOfTcp);
    const wrong = unkept(Object.fromEntries(tcp), found);
    if (wrong.length === 0) {
      const inForce = tcp.map(([name, value]) => `${name.replace('tcp_', '')} ${value}`);
      return ok(`In force on the server’s socket: ${inForce.join(', ')}.`);
    }
    return warning(
      `Not in force on the server’s socket: ${wrong.join(', ')}. A client that vanishes is noticed late.`,
      'Set `net.ipv4.tcp_keepalive_time` and its kin on the machine of the server, where you can; a leader’s silence is noticed all the same.',
    );
  },
};

/** Below this an attempt does not stay within deadlock_timeout: see `attempt` in statements.ts. */
const shortestMs = 500;

const lockWaits: Check = {
  name: 'log-lock-waits',
  async look(visit) {
    const { rows } = await visit.ask(
      `select current_setting('log_lock_waits')::boolean as is_on, current_user as role,
              extract(epoch from current_setting('deadlock_timeout')::interval)::float8 * 1000 as patience_ms`,
    );
    const { is_on: isOn, role, patience_ms: patienceMs } = rows[0];
    if (!isOn) return ok('Off.');
    if (patienceMs >= shortestMs) {
      return ok(
        `On: attempts for a seat stay below deadlock_timeout (${patienceMs} ms), and are not logged.`,
      );
    }
    return warning(
      `On, with a deadlock_timeout of ${patienceMs} ms: each attempt of a standby is a line in the server’s log.`,
      `As a superuser: alter role ${pg.escapeIdentifier(role)} set log_lock_waits = off;`,
    );
  },
};

export const settingChecks: readonly Check[] = [timeouts, keepalives, lockWaits];
