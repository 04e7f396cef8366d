import { setImmediate as nextTurnOfLoop, setTimeout as pause } from 'node:timers/promises';
import { expect } from 'vitest';
import { descendants } from '../../src/embedded/processes.ts';
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

/** A child that is unref'd, as a witness is, is among no active resources. */
export async function expectNoChildren(
  before: readonly number[],
  timeoutMs = 3_000,
): Promise<void> {
  const left = async () => (await descendants(process.pid)).filter((pid) => !before.includes(pid));
  await until(async () => (await left()).length === 0, { timeoutMs }).catch(() => {});
  expect(await left(), 'children left by the tests').toEqual([]);
}

/** The test runner sends its news with a timer of this length, which would hide a leak. */
const runnersTimerMs = 100;

/**
 * What is held all the time.
 *
 * @param howLong `briefly` may count what the runner holds by chance; `surely` outlasts that.
 */
export async function restingResources(
  howLong: 'briefly' | 'surely',
): Promise<Record<string, number>> {
  const resting = heldResources();
  const end = performance.now() + (howLong === 'surely' ? runnersTimerMs * 1.2 : 0);
  for (let turn = 0; turn < 3 || performance.now() < end; turn += 1) {
    await (howLong === 'surely' ? pause(10) : nextTurnOfLoop());
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
