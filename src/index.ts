/** The public face: joins the protocol (core), its database (postgres) and the guard. */
import { flag } from './core/checks.ts';
import { SingletonLockController as CoreController } from './core/controller.ts';
import { type Names, refuseUnknown } from './core/known.ts';
import { ControllerLease } from './core/locks/lease.ts';
import { LockManager as CoreLockManager } from './core/locks/manager.ts';
import { type MemoryLockOptions, memoryLockManager } from './core/locks/memory.ts';
import { type LockManagerOptions, lockManagerOptions, settleLocks } from './core/locks/settings.ts';
import { type ControllerOptions, controllerOptions, settleOptions } from './core/options.ts';
import { witnessProcess } from './guard/witness.ts';
import { type DatabaseOptions, databaseOptions } from './postgres/connection.ts';
import { postgresLocks } from './postgres/locks.ts';
import { postgresStore } from './postgres/store.ts';

export { isLockdError, LockdError, type LockdErrorCode } from './core/errors.ts';
export type { Hold } from './core/locks/hold.ts';
export type { Holds } from './core/locks/holds.ts';
export { type LockedOptions, locked } from './core/locks/locked.ts';
export { LockMemory, type MemoryLockOptions } from './core/locks/memory.ts';
export type { AcquireOptions, HoldOptions } from './core/locks/options.ts';
export type { LockManagerOptions } from './core/locks/settings.ts';
export type { LockStats, Operation, ResourceStats, Spread } from './core/locks/stats.ts';
export type { Details, Holding, Mode, Waiting } from './core/locks/store.ts';
export type { Forced, ForceOptions, Inspection, LockEvents, Once } from './core/locks/surface.ts';
export type { Logger } from './core/log.ts';
export type { EndReason } from './core/machine/protocol.ts';
export type { ControllerOptions } from './core/options.ts';
export type { OnStandby, Readiness } from './core/standby.ts';
export type {
  ControllerEvents,
  ControllerState,
  Gated,
  Leader,
  LeaveOptions,
} from './core/surface.ts';
export type { Term } from './core/term.ts';
export type { WaitOptions } from './core/waiting.ts';
export type { DatabaseOptions } from './postgres/connection.ts';
export type { Fault, FaultCode } from './postgres/faults.ts';
export { assertFence, type Fenced, type Queryable } from './postgres/fence.ts';
export { type Handoff, type HandoffRequest, handOff } from './postgres/handoff.ts';
export { type HistoryOptions, readHistory, type TermRecord } from './postgres/history.ts';
export { type Migrated, migrate } from './postgres/migrate.ts';
export type { SessionFacts } from './postgres/picture.ts';
export { type ReadLocksOptions, readLocks } from './postgres/read-locks.ts';
export { StatusReader } from './postgres/reader.ts';
export {
  type InstanceStatus,
  type LeaderStatus,
  type NameStatus,
  readStatus,
} from './postgres/status.ts';

export interface SingletonLockOptions extends ControllerOptions, DatabaseOptions {
  /** Bring the schema to this version before the first attempt. @default false */
  readonly migrate?: boolean | undefined;
  /**
   * Start a small process beside this one that sees it die and says so: then a crash is taken over
   * in milliseconds, and not after the TTL. One more connection.
   * @default false
   */
  readonly guard?: boolean | undefined;
}

const known: Names<SingletonLockOptions> = {
  ...controllerOptions,
  ...databaseOptions,
  migrate: true,
  guard: true,
};

/** Leader election on PostgreSQL: see `ControllerOptions` and `DatabaseOptions`. */
export class SingletonLockController extends CoreController {
  /** Throws `LOCKD_INVALID_OPTION` where an option does not fit, and connects to nothing yet. */
  constructor(options: SingletonLockOptions) {
    refuseUnknown(options, known);
    const settled = settleOptions(options);
    flag('migrate', options.migrate ?? false);
    const isGuarded = flag('guard', options.guard ?? false);
    super(settled, {
      store: postgresStore(options),
      witness: isGuarded ? witnessProcess(settled, options) : undefined,
    });
  }
}

export interface ResourceLockOptions extends LockManagerOptions, DatabaseOptions {
  /** Bring the schema to this version first. @default false */
  readonly migrate?: boolean | undefined;
  /**
   * Start a small process beside this one that sees it die and says so: then what it held is free in
   * milliseconds, and not after the TTL. One more connection.
   * @default false
   */
  readonly guard?: boolean | undefined;
}

const knownToLocks: Names<ResourceLockOptions> = {
  ...lockManagerOptions,
  ...databaseOptions,
  migrate: true,
  guard: true,
};

/** Resource locks on PostgreSQL: see `LockManagerOptions` and `DatabaseOptions`. Three sessions. */
export class LockManager extends CoreLockManager {
  /** Throws `LOCKD_INVALID_OPTION` where an option does not fit, and connects to nothing yet. */
  constructor(options: ResourceLockOptions = {}) {
    refuseUnknown(options, knownToLocks);
    const { connectionString: _, connection: __, schema: ___, migrate, guard, ...own } = options;
    const settled = settleLocks(own);
    flag('migrate', migrate ?? false);
    const isGuarded = flag('guard', guard ?? false);
    const { candidate, rules } = settled;
    const database = postgresStore(options);
    let hear: ControllerLease['hear'] = () => {};
    const controller = new CoreController(settled, {
      store: {
        ...database,
        openControl: (who, session) =>
          database.openControl(who, {
            ...session,
            hooks: { ...session.hooks, held: (notice) => hear(notice) },
          }),
      },
      witness: isGuarded ? witnessProcess(settled, options) : undefined,
    });
    const lease = new ControllerLease(controller, settled.clock, candidate.ttlMs);
    hear = (notice) => lease.hear(notice);
    super({
      ...settled,
      ...rules,
      store: postgresLocks(options, candidate, rules.callTimeoutMs),
      lease,
    });
  }

  /**
   * A manager without a database, for what this one process does at the same time: nothing is shared
   * with other processes, and nothing but `stop()` ends its lease. Managers with the same `memory` stand
   * in each other's way.
   */
  static inMemory(options: MemoryLockOptions = {}): LockManager {
    // It has no fields of its own: one without a database is an instance of it, too.
    return Object.setPrototypeOf(memoryLockManager(options), LockManager.prototype);
  }
}
