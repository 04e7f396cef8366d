/** The public face: joins the protocol (core), its database (postgres) and the guard. */
import { flag } from './core/checks.ts';
import { SingletonLockController as CoreController } from './core/controller.ts';
import { type Names, refuseUnknown } from './core/known.ts';
import { type ControllerOptions, controllerOptions, settleOptions } from './core/options.ts';
import { witnessProcess } from './guard/witness.ts';
import { type DatabaseOptions, databaseOptions } from './postgres/connection.ts';
import { postgresStore } from './postgres/store.ts';

export { isLockdError, LockdError, type LockdErrorCode } from './core/errors.ts';
export type { Logger } from './core/log.ts';
export type { EndReason } from './core/machine/protocol.ts';
export type { ControllerOptions } from './core/options.ts';
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
export { assertFence, type Queryable } from './postgres/fence.ts';
export { type Migrated, migrate } from './postgres/migrate.ts';
export type { SessionFacts } from './postgres/picture.ts';
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
