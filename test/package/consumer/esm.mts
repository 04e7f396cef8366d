// A stranger's ECMAScript module: it leads as soon as it may, and stops on TERM.
import { SingletonLockController } from 'lockd';

const lock = new SingletonLockController({
  name: 'packed',
  label: 'esm',
  connectionString: process.env['DATABASE_URL'],
  guard: true,
});
lock
  .on('active', (term) => console.log(`active ${term.token} ${lock.isActive()}`))
  .on('observed', (leader) => console.log(`observed ${leader.label}`))
  .on('stopped', () => console.log('stopped'));
process.once('SIGTERM', () => void lock.stop());
await lock.start();
