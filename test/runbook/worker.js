// A worker of a user: takes resources one after the other with the built library, logs with pino what
// it cannot have, and goes on until SIGTERM. What is asked back it lets go of, unless `ignores`; and of
// everything in a deadlock. A take may wait until another resource is held, or waited for.
import { setTimeout as sleep } from 'node:timers/promises';
import { destination, pino } from 'pino';
import { LockManager } from '../../dist/index.js';

const { takes, ignores, ...options } = JSON.parse(process.argv[2]);
const text = (fields) =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'bigint' ? String(value) : value,
    ]),
  );
const logger = pino(
  {
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }), log: text },
  },
  destination({ dest: 2, sync: true }),
);
const locks = new LockManager({ ...options, logger });
locks.on('resource.lost', ({ resource }, { code, message: reason }) =>
  logger.warn({ resource, code, reason }, 'lost'),
);
process.on('SIGTERM', () => locks.stop({ force: true }).then(() => process.exit(0)));

const holds = [];
for (const { resource, onceHeld, onceAwaited, ...asked } of takes) {
  while (onceHeld && !(await locks.isLocked(onceHeld))) await sleep(20);
  while (onceAwaited && (await locks.inspect(onceAwaited)).waiters.length === 0) await sleep(20);
  try {
    const hold = await locks.acquire(resource, asked);
    logger.info({ resource, token: hold.token }, 'holds');
    holds.push(hold);
    if (!ignores) hold.signal.addEventListener('abort', () => hold.release());
  } catch (error) {
    logger.warn({ resource, code: error.code, reason: error.message }, 'could not have');
    if (error.code === 'LOCKD_DEADLOCK') await Promise.all(holds.map((hold) => hold.release()));
  }
}
