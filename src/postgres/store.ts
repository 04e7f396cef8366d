import { deferred } from '../core/deferred.ts';
import { isLockdError } from '../core/errors.ts';
import type { ServerHealth, Store } from '../core/store.ts';
import { type Database, type DatabaseOptions, settleDatabase } from './connection.ts';
import { openControl } from './control.ts';
import { sqlStateOf } from './failures.ts';
import { Hosts } from './hosts.ts';
import { migrate } from './migrate.ts';
import { openSeat } from './seat.ts';
import { Session } from './session.ts';

export interface StoreOptions extends DatabaseOptions {
  /** Bring the schema to this version before the first session. */
  readonly migrate?: boolean | undefined;
}

/**
 * A PostgreSQL database as the core needs it. Nothing connects before it is asked to. The control
 * session of a witness neither registers nor listens: its host does.
 */
export function postgresStore(
  options: StoreOptions,
  { isWitness = false }: { readonly isWitness?: boolean } = {},
): Store {
  const database = settleDatabase(options);
  const migrated = deferred();
  let isMigrated = options.migrate !== true;
  if (isMigrated) migrated.resolve();
  return {
    async openSeat(who, session) {
      if (!isMigrated) {
        const { connectionString, connection, schema } = options;
        const { signal, timeoutMs } = session;
        // Left out where it was: a key without a value is an address that was lost.
        const address = connectionString === undefined ? {} : { connectionString };
        await migrate({ ...address, connection, schema }, { signal, timeoutMs });
        isMigrated = true;
        migrated.resolve();
      }
      return openSeat(database, who, session);
    },
    async openControl(who, session) {
      await abortable(migrated.promise, session.signal);
      return openControl(database, who, session, isWitness);
    },
    async probe(timeoutMs): Promise<ServerHealth> {
      // Who refuses does not say who it is, and behind a load balancer it may be a server of no concern
      // to us. Ours, once it is shutting down, refuses every time.
      for (let refusals = 0; refusals < probes; refusals += 1) {
        const health = await knock(database, timeoutMs);
        if (health !== 'shutting-down') return health;
      }
      return 'shutting-down';
    },
  };
}

const probes = 3;

async function knock({ hosts }: Database, timeoutMs: number): Promise<ServerHealth> {
  try {
    // Where our sessions live, and nowhere else.
    const ours = new Hosts([hosts.found]);
    const session = await Session.open({ hosts: ours, applicationName: 'lockd:probe', timeoutMs });
    await session.close();
    return 'accepting';
  } catch (error) {
    // Starting up it cannot be: a session of ours lives in this server.
    const isClosing = isLockdError(error) && sqlStateOf(error.cause) === '57P03';
    return isClosing ? 'shutting-down' : 'unknown';
  }
}

function abortable(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = deferred();
  const abort = (): void => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  return Promise.race([promise, aborted.promise]).finally(() =>
    signal.removeEventListener('abort', abort),
  );
}
