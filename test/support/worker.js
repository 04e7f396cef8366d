// A command for `lockd run`: while it lives it says so every few milliseconds, one line per claim,
// appended whole, with the time on the monotonic clock that all processes of a machine share.
import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const { LOCKD_NAME, LOCKD_TOKEN, LOCKD_INSTANCE, WORKER_CLAIMS, WORKER } = process.env;
const {
  label,
  who = 'command',
  finishMs = 0,
  exitCode = 0,
  endsMs,
  endsBy,
  below,
} = JSON.parse(WORKER);

function say(kind, facts = {}) {
  const [seconds, nanoseconds] = process.hrtime();
  const at = seconds * 1e3 + nanoseconds / 1e6; // before the write: what it did until then
  const line = { token: LOCKD_TOKEN, at, kind, label, who, pid: process.pid, ...facts };
  appendFileSync(WORKER_CLAIMS, `${JSON.stringify(line)}\n`);
}

for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT']) {
  process.on(signal, () => {
    say(signal);
    if (finishMs !== 'never') setTimeout(() => process.exit(exitCode), finishMs);
  });
}
for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2']) process.on(signal, () => say(signal));

if (below !== undefined) {
  spawn(process.execPath, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'ignore',
    env: { ...process.env, WORKER: JSON.stringify({ label, who: 'grandchild', ...below }) },
  });
}
if (endsMs !== undefined) {
  setTimeout(() => {
    if (endsBy === undefined) process.exit(exitCode);
    process.removeAllListeners(endsBy);
    process.kill(process.pid, endsBy);
  }, endsMs);
}
say('begin', { name: LOCKD_NAME, instance: LOCKD_INSTANCE, args: process.argv.slice(2) });
setInterval(() => say('claim'), 5);
