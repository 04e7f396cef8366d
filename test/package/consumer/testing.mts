// A stranger's test of what his program does as leader: no database, and no waiting.
import type { SingletonLockController } from 'lockd';
import { FakeClock, MemoryServer, testController } from 'lockd/testing';

const clock = new FakeClock();
const lock: SingletonLockController = testController({
  server: new MemoryServer({ clock }),
  name: 'packed',
});
await lock.start();
console.log(`leads ${lock.isActive()}`);
await clock.until(lock.stop());
