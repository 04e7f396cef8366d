/**
 * `lockd/testing`: test what a program does as leader and as standby, without a database and without
 * waiting. The controllers are the real ones; only the server and the time are fakes.
 *
 *     const clock = new FakeClock();
 *     const server = new MemoryServer({ clock });
 *     const one = testController({ server, name: 'telegram-bot' });
 *     const two = testController({ server, name: 'telegram-bot' });
 *     await one.start(); // nobody else leads: ACTIVE
 *     await clock.until(two.start()); // PASSIVE
 *     server.terminate(one); // as an administrator would
 *     await clock.until(two.whenActive()); // after all that `one` had begun has finished
 *     await clock.until(Promise.all([one.stop(), two.stop()]));
 *
 * And what it does with resource locks, each manager as if in a process of its own:
 *
 *     const [here, there] = [testLockManager({ server }), testLockManager({ server })];
 *     const hold = await here.acquire('order:42');
 *     const next = there.acquire('order:42');
 *     server.terminate(here); // and so `hold.signal` aborts, before `next` is granted
 *     await hold.release();
 *     await clock.until(next);
 *     await clock.until(Promise.all([here.stop(), there.stop()]));
 */
import { SingletonLockController } from '../core/controller.ts';
import { type Names, refuseUnknown } from '../core/known.ts';
import { type ControllerOptions, controllerOptions, settleOptions } from '../core/options.ts';
import { TestLockManager, type TestLockManagerOptions } from './locks.ts';
import type { MemoryServer } from './memory-server.ts';

export type { Clock } from '../core/clock.ts';
export type {
  Answer,
  Beat,
  HoldNotice,
  LockStore,
  Queues,
  Wanted,
} from '../core/locks/store.ts';
export type { Lease } from '../core/machine/lease.ts';
export { lockConformance } from './conformance/lock-conformance.ts';
export type { LockCase, LockProcess, LockStage } from './conformance/stage.ts';
export { FakeClock } from './fake-clock.ts';
export type { TestLockManager, TestLockManagerOptions } from './locks.ts';
export { MemoryServer, type MemoryServerOptions, type Whose } from './memory-server.ts';

export interface TestControllerOptions extends ControllerOptions {
  /** Where it campaigns, in place of a database. */
  readonly server: MemoryServer;
}

const known: Names<TestControllerOptions> = { ...controllerOptions, server: true };

/**
 * A controller as a program uses it, on a server in memory. `clock` is the server's unless another
 * one is given, and jitter is none: each run of a test is the same. All other options, with their
 * defaults, are those of `SingletonLockController`, and so is what it throws
 * (`LOCKD_INVALID_OPTION`). It may be given to whatever takes a `SingletonLockController`.
 */
export function testController(options: TestControllerOptions): SingletonLockController {
  refuseUnknown(options, known);
  const { server, ...rest } = options;
  const { clock = server.clock, random = () => 0.5 } = rest;
  const settled = settleOptions({ ...rest, clock, random });
  return new SingletonLockController(settled, { store: server });
}

/**
 * A lock manager as a program uses it, on a server in memory. `clock` is the server's unless another
 * one is given, and jitter is none: each run of a test is the same. All other options, with their
 * defaults, are those of `LockManager`, and so is what it throws (`LOCKD_INVALID_OPTION`). It may be
 * given to whatever takes a `LockManager`, and to `server.terminate()`, `cutOff()` and `mend()`.
 */
export const testLockManager = (options: TestLockManagerOptions): TestLockManager =>
  new TestLockManager(options);
