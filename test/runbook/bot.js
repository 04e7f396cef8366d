// A bot of a user: embeds the built library, logs with pino, stops in order on SIGTERM. While it
// leads one piece of work is in flight, which ends `workMs` after its abort, or never.
import { setTimeout as sleep } from 'node:timers/promises';
import { destination, pino } from 'pino';
import { SingletonLockController } from '../../dist/index.js';

const { workMs, holdMs, ...options } = JSON.parse(process.argv[2]);
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
const controller = new SingletonLockController({ ...options, logger });

controller.on('active', ({ signal }) => {
  const work = new Promise((resolve) => {
    signal.addEventListener('abort', async () => {
      if (workMs === 'never') return;
      await sleep(workMs ?? 0);
      resolve();
    });
  });
  void controller.track(work);
  // A loop that hangs: no timer fires, no answer is read.
  if (holdMs !== undefined) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, holdMs);
});
process.on('SIGTERM', () => controller.stop().then(() => process.exit(0)));
try {
  await controller.start();
} catch (error) {
  logger.error({ code: error.code, reason: error.message }, 'could not start');
  process.exit(1);
}
