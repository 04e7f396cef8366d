// The same in CommonJS, which has no `await` at the top.
import lockd = require('lockd');

const lock = new lockd.SingletonLockController({
  name: 'packed',
  label: 'commonjs',
  connectionString: process.env['DATABASE_URL'],
});
lock
  .on('active', (term: lockd.Term) => console.log(`active ${term.token} ${lock.isActive()}`))
  .on('observed', (leader) => console.log(`observed ${leader.label}`))
  .on('stopped', () => console.log('stopped'));
process.once('SIGTERM', () => void lock.stop());
lock.start().catch((error: unknown) => {
  console.error(lockd.isLockdError(error) ? error.code : error);
  process.exitCode = 1;
});
