import { LockMemory, memoryLockManager } from '../../../src/core/locks/memory.ts';
import { memoryStore } from '../../../src/core/locks/memory-store.ts';
import { settleLocks } from '../../../src/core/locks/settings.ts';
import type { HoldNotice, LockStore } from '../../../src/core/locks/store.ts';
import type { Candidate, Store } from '../../../src/core/store.ts';
import { LockManager, migrate } from '../../../src/index.ts';
import { postgresLocks } from '../../../src/postgres/locks.ts';
import { postgresStore } from '../../../src/postgres/store.ts';
import {
  type LockProcess,
  type LockStage,
  MemoryServer,
  testLockManager,
} from '../../../src/testing/index.ts';
import { createDatabase, query } from '../../support/database.ts';
import { vacant } from './stage.ts';

export type OwnStage = LockStage & AsyncDisposable;

/** Where stages are, for all the cases of one place. */
export interface LockPlace extends AsyncDisposable {
  stage(): OwnStage;
}

const drainTimeoutMs = 100;

export async function inProcess(): Promise<LockPlace> {
  return {
    stage() {
      const memory = new LockMemory();
      return staged({
        manager: () => memoryLockManager({ memory, drainTimeoutMs }),
        async process() {
          const told: HoldNotice[] = [];
          const member = memory.join('a process', (notice) => void told.push(notice));
          const store = memoryStore(member);
          const end = async (): Promise<void> => member.end();
          return { store, token: member.begin().token, told, end };
        },
      });
    },
    async [Symbol.asyncDispose]() {},
  };
}

export async function onMemoryServer(): Promise<LockPlace> {
  return {
    stage() {
      const server = new MemoryServer();
      return staged({
        manager: () => testLockManager({ server, drainTimeoutMs }),
        process: () => processAt(server, (who) => server.openLocks(who, 10_000)),
        crash: async () => server.crash(),
      });
    },
    async [Symbol.asyncDispose]() {},
  };
}

export async function inPostgres(): Promise<LockPlace> {
  const database = await createDatabase();
  const { url: connectionString } = database;
  const options = { connectionString };
  await migrate(options);
  return {
    stage: () =>
      staged({
        manager: () => new LockManager({ ...options, drainTimeoutMs }),
        process: () =>
          processAt(postgresStore(options), (who) => postgresLocks(options, who, 10_000)),
        // What is not logged is empty after a crash; that sessions end as well is no matter here.
        async crash() {
          await query(connectionString, 'truncate lockd.hold, lockd.waiter, lockd.epoch');
        },
      }),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

/** Ends what the case has made. */
function staged(stage: LockStage): OwnStage {
  const processes: LockProcess[] = [];
  const managers: LockManager[] = [];
  return {
    ...stage,
    async process() {
      const process = await stage.process();
      processes.push(process);
      return process;
    },
    manager() {
      const manager = stage.manager();
      managers.push(manager);
      return manager;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(managers.map((manager) => manager.stop({ force: true })));
      for (const process of processes) {
        await process.end();
        await process.store.close();
      }
    },
  };
}

const signal = new AbortController().signal;

/** A lease without a controller, which would beat and, after a crash, confess. */
async function processAt(store: Store, locks: (who: Candidate) => LockStore): Promise<LockProcess> {
  const { candidate: who } = settleLocks({ ttlMs: 60_000 });
  const told: HoldNotice[] = [];
  const hooks = {
    lost: () => {},
    notice: () => {},
    held: (notice: HoldNotice) => void told.push(notice),
  };
  const open = { hooks, signal, timeoutMs: 10_000 };
  const control = await store.openControl(who, open);
  const seat = await store.openSeat({ ...who, passiveIdleMs: who.ttlMs }, open);
  await seat.attempt(10_000);
  const bid = await seat.takeover(vacant);
  if (bid.outcome !== 'taken') throw new Error(`expected taken, got ${bid.outcome}`);
  const { token } = bid;
  let ended: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    // After a crash its sessions may be gone: another one says that it has ended.
    const last = await store.openControl(who, { ...open, hooks: { ...hooks, held: () => {} } });
    await last.testify(token, 'confession', 'ended by the case');
    await last.close();
    for (const session of [seat, control]) session.destroy();
  };
  return {
    store: locks(who),
    token,
    told,
    end() {
      ended ??= end();
      return ended;
    },
  };
}
