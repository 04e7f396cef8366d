import { setImmediate as turn } from 'node:timers/promises';
import type { Store } from '../../../src/core/store.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import { resignLeader } from '../../../src/postgres/resign.ts';
import { postgresStore } from '../../../src/postgres/store.ts';
import { MemoryServer } from '../../../src/testing/index.ts';
import { createDatabase, query } from '../../support/database.ts';
import { until } from '../../support/wait.ts';

/** A server that the conformance cases run on, and what they do to it beside its `Store`. */
export interface Place extends AsyncDisposable {
  readonly store: Store;
  terminate(backend: number): Promise<void>;
  askToResign(name: string): Promise<void>;
  /** Resolves when so many sessions stand in the queue for the seat of this name. */
  standing(name: string, count: number): Promise<void>;
}

export async function inMemory(): Promise<Place> {
  const server = new MemoryServer();
  return {
    store: server,
    async terminate(backend) {
      server.terminate({ backend });
    },
    async askToResign(name) {
      server.resign(name);
    },
    standing: () => turn(),
    async [Symbol.asyncDispose]() {
      server.goDown();
    },
  };
}

export async function onPostgres(): Promise<Place> {
  const database = await createDatabase();
  const { url: connectionString } = database;
  await migrate({ connectionString });
  return {
    store: postgresStore({ connectionString }),
    async terminate(backend) {
      await query(connectionString, 'select pg_terminate_backend($1)', [backend]);
    },
    async askToResign(name) {
      await resignLeader({ connectionString }, name);
    },
    async standing(name, count) {
      const sql = `select count(*)::int as standing from lockd.advisory_locks(lockd.seat_class()) l
        join lockd.lock k on k.id = l.object where k.name = $1 and not l.is_granted`;
      await until(
        async () => (await query(connectionString, sql, [name]))[0]?.['standing'] === count,
        { describe: `${count} sessions stand in the queue` },
      );
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}
