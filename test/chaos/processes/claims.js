// What the processes of a chaos run say: one JSON line each, appended whole to a file that all of them
// share, with the time on the monotonic clock that all processes of a machine share.
import { openSync, writeSync } from 'node:fs';

const { CHAOS_CLAIMS, CHAOS_LABEL } = process.env;
const file = openSync(CHAOS_CLAIMS, 'a');

export function now() {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

/** `at` is read before the gate is asked: a freeze between the two must not look like a claim. */
export function say(kind, at, token, facts = {}) {
  const line = { kind, at, token: String(token), label: CHAOS_LABEL, pid: process.pid, ...facts };
  writeSync(file, `${JSON.stringify(line)}\n`);
}
