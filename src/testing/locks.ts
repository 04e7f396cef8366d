import { SingletonLockController } from '../core/controller.ts';
import { type Names, refuseUnknown } from '../core/known.ts';
import { ControllerLease } from '../core/locks/lease.ts';
import { LockManager } from '../core/locks/manager.ts';
import {
  type LockManagerOptions,
  lockManagerOptions,
  settleLocks,
} from '../core/locks/settings.ts';
import type { MemoryServer } from './memory-server.ts';

export interface TestLockManagerOptions extends LockManagerOptions {
  /** Where it holds, in place of a database. */
  readonly server: MemoryServer;
}

const known: Names<TestLockManagerOptions> = { ...lockManagerOptions, server: true };

/** A lock manager, and the names that a server in memory knows its sessions by. */
export class TestLockManager extends LockManager {
  /** The name of the lease of its process. */
  readonly name: string;
  /** What the server knows its sessions by. */
  readonly instance: string;

  constructor(options: TestLockManagerOptions) {
    refuseUnknown(options, known);
    const { server, ...rest } = options;
    const { clock = server.clock, random = () => 0.5 } = rest;
    const settled = settleLocks({ ...rest, clock, random });
    const { candidate, rules } = settled;
    const controller = new SingletonLockController(settled, {
      store: {
        openSeat: (who, session) => server.openSeat(who, session),
        openControl: (who, { hooks, ...session }) =>
          server.openControl(who, {
            ...session,
            hooks: { ...hooks, held: (notice) => lease.hear(notice) },
          }),
        probe: () => server.probe(),
      },
    });
    const lease = new ControllerLease(controller, clock, candidate.ttlMs);
    const store = server.openLocks(candidate, rules.callTimeoutMs);
    // Who has a clock of its own has a machine of its own.
    const machineId = (): string => (clock === server.clock ? 'here' : candidate.name);
    super({ ...settled, ...rules, store, lease, machineId });
    this.name = candidate.name;
    this.instance = candidate.instance;
  }
}
