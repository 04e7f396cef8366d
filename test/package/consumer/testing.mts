// A stranger's test of what his program does as leader: no database, and no waiting.
import type { LockManager, SingletonLockController } from 'lockd';
import {
  FakeClock,
  lockConformance,
  MemoryServer,
  testController,
  testLockManager,
} from 'lockd/testing';

const clock = new FakeClock();
const server = new MemoryServer({ clock });
const lock: SingletonLockController = testController({ server, name: 'packed' });
const locks: LockManager = testLockManager({ server });
await lock.start();
const hold = await clock.until(locks.acquire('packed'));
console.log(`leads ${lock.isActive()} holds ${hold.isHeld()} cases ${lockConformance.length > 40}`);
await hold.release();
await clock.until(Promise.all([lock.stop(), locks.stop()]));
