/** What answers: its kind, its version, and whether it is the primary. */
import { isLockdError } from '../../core/errors.ts';
import { checkKind } from '../checks.ts';
import { type Check, ok, problem } from './finding.ts';

const server: Check = {
  name: 'server',
  async look(visit) {
    const session = await visit.session();
    const { rows } = await session.bounded('select version()');
    const version = rows[0].version.split(' on ')[0];
    try {
      await checkKind(session);
    } catch (error) {
      // Of a kind that fits, and the next check's.
      if (!isLockdError(error)) throw error;
      if (error.code === 'LOCKD_SERVER') return problem(error.message, takeAnother);
      if (error.code !== 'LOCKD_REPLICA') throw error;
    }
    return ok(`${version}.`);
  },
};

const takeAnother = 'Give lockd a database on PostgreSQL 14 or later.';

/** As the leases are compared with: they say after a promotion or a restore that an old one is foreign. */
const primary: Check = {
  name: 'primary',
  async look(visit) {
    const { rows } = await visit.ask('select pg_is_in_recovery() as is_replica');
    if (rows[0].is_replica) {
      return problem(
        'This is a replica, or a server in recovery: it grants advisory locks and cannot keep a lease.',
        'Take the address of the primary (of a cluster, its writer endpoint), or name all hosts: postgres://user@h1,h2/db.',
      );
    }
    const { rows: known } = await visit.ask(
      `select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) as timeline, s.system_identifier
       from pg_control_system() s`,
    );
    const { timeline, system_identifier: system } = known[0];
    return ok(`A primary, on timeline ${Number.parseInt(timeline, 16)} of system ${system}.`);
  },
};

export const serverChecks: readonly Check[] = [server, primary];
