// A host that is bundled, and lockd with it: it leads once, and stops.
import { readStatus, SingletonLockController } from '../../../dist/index.js';

const connectionString = process.env.DATABASE_URL;
const lock = new SingletonLockController({
  name: 'bundled',
  connectionString,
  migrate: true,
  guard: process.argv[2] === 'guarded',
});
lock
  .on('active', async () => {
    const [status] = await readStatus({ connectionString }, 'bundled').catch(() => []);
    console.log(`active ${status?.leader?.version}`);
    await lock.stop();
  })
  .on('warning', (error) => console.error(`${error.code}: ${error.message}`));
lock.start().catch((error) => {
  console.log(`${error.code}: ${error.message}`);
  return lock.stop();
});
