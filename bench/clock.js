/** CLOCK_MONOTONIC in milliseconds: one clock for all processes of a machine. */
export function now() {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
