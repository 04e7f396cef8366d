import { setImmediate as nextTurnOfLoop } from 'node:timers/promises';
import { afterEach, beforeEach, expect } from 'vitest';
import { query } from './database.ts';
import { until } from './wait.ts';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;
const events = [
  'exit',
  'beforeExit',
  'uncaughtException',
  'unhandledRejection',
  'warning',
] as const;

/** Work in flight, not something held: it goes by itself, and the test runner has some, too. */
const passing = new Set(['FSReqCallback', 'FSReqPromise', 'Immediate', 'CloseReq']);

/**
 * Called at the top of a test file: every test of it must leave this process with no more
 * handles, timers and process listeners than it found. Hooks that were registered later run
 * before the check, so what an afterEach cleans up is forgiven.
 */
export function leakCheck(): void {
  let before: Record<string, number> = {};
  beforeEach(async () => {
    before = await restingResources();
  });
  afterEach(() => expectNoLeaks(before));
}

/** Closing a socket takes a turn or two of the event loop, therefore not at once. */
export async function expectNoLeaks(
  before: Readonly<Record<string, number>>,
  timeoutMs = 3_000,
): Promise<void> {
  const leaks = () =>
    Object.entries(heldResources()).filter(([name, count]) => count > (before[name] ?? 0));
  await until(() => leaks().length === 0, { timeoutMs }).catch(() => {});
  expect(Object.fromEntries(leaks()), 'leaked by the test').toEqual({});
}

/** What is held all the time: a timer of the test runner that is there by chance would hide a leak. */
async function restingResources(): Promise<Record<string, number>> {
  const resting = heldResources();
  for (let turn = 0; turn < 3; turn += 1) {
    await nextTurnOfLoop();
    const now = heldResources();
    for (const [name, count] of Object.entries(resting)) {
      resting[name] = Math.min(count, now[name] ?? 0);
    }
  }
  return resting;
}

/** How many this process holds of each kind of handle, timer and process listener. */
export function heldResources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) {
    if (!passing.has(name)) counts[name] = (counts[name] ?? 0) + 1;
  }
  for (const name of [...signals, ...events]) {
    counts[`${name} listener`] = process.listenerCount(name);
  }
  return counts;
}

/** No session whose application name is like this one, and no advisory lock in the database. */
export async function expectNoSessions(
  url: string,
  applicationNameLike = 'lockd%',
  timeoutMs = 10_000,
): Promise<void> {
  let left: unknown[] = [];
  const isClean = async () => {
    left = await query(url, leftBehind, [applicationNameLike]);
    return left.length === 0;
  };
  await until(isClean, {
    timeoutMs,
    describe: () => `no session and no advisory lock is left; left are ${JSON.stringify(left)}`,
  });
}

const leftBehind = `
  SELECT 'session' AS what, pid, concat_ws(': ', application_name, state) AS detail
    FROM pg_stat_activity
   WHERE application_name LIKE $1 AND datname = current_database() AND pid <> pg_backend_pid()
  UNION ALL
  SELECT 'advisory lock', pid, format('%s/%s/%s granted=%s', classid, objid, objsubid, granted)
    FROM pg_locks
   WHERE locktype = 'advisory'
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
