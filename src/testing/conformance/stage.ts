import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isLockdError, type LockdErrorCode } from '../../core/errors.ts';
import type { LockManager } from '../../core/locks/manager.ts';
import type { Answer, Grant, HoldNotice, LockStore, Wanted } from '../../core/locks/store.ts';

/** A process at a store, with a lease that lasts until it is ended. */
export interface LockProcess {
  readonly store: LockStore;
  /** Of its lease: what it holds, it holds under this. */
  readonly token: bigint;
  /** What it was told, in the order in which it heard it. */
  readonly told: readonly HoldNotice[];
  /** Ends its lease, as a process does that stops. Its store can still be asked. */
  end(): Promise<void>;
}

/** Where the cases are run. Each has one of its own, which ends its processes and managers afterwards. */
export interface LockStage {
  /** One more process: it never beats by itself, and nobody expires it but the case. */
  process(): Promise<LockProcess>;
  /** A lock manager of one more process. */
  manager(): LockManager;
  /** What was held is forgotten, leases are not. Left out where the store is gone with its process. */
  crash?(): Promise<void>;
}

/** What every store promises. Rejects, with an assertion, where it does not keep it. */
export interface LockCase {
  readonly name: string;
  /** Only for stages that can do this. */
  readonly needs?: 'crash' | undefined;
  readonly run: (stage: LockStage) => Promise<void>;
}

/** A name that no other case uses. */
export const named = (what: string): string => `${what}:${randomUUID()}`;

export const want = (resource: string, options: Partial<Wanted> = {}): Wanted => ({
  request: randomUUID(),
  resource,
  mode: 'exclusive',
  owner: named('owner'),
  details: {},
  ...options,
});

export const shared = (resource: string): Wanted => want(resource, { mode: 'shared' });

export const place = (resource: string, permits: number): Wanted =>
  want(resource, { mode: { permits } });

export const asked = (
  { store, token }: LockProcess,
  wanted: Wanted,
  mayQueue = true,
): Promise<Answer> => store.ask(token, wanted, mayQueue);

/** Asks for it, and has it at once. */
export async function had(process: LockProcess, wanted: Wanted): Promise<Grant> {
  const answer = await asked(process, wanted);
  assert.equal(answer.is, 'granted');
  return answer as Grant & typeof answer;
}

/** Asks for it, and stands in line. */
export async function stood(process: LockProcess, wanted: Wanted): Promise<void> {
  assert.equal((await asked(process, wanted)).is, 'queued');
}

/** The grant that a process is told of. */
export async function heard(process: LockProcess, { request }: Wanted): Promise<Grant> {
  const ofIt = (): Grant | undefined =>
    process.told.flatMap((notice) =>
      notice.is === 'granted' && notice.request === request ? notice : [],
    )[0];
  await eventually(() => ofIt() !== undefined, 'a grant is told');
  return ofIt() as Grant;
}

/** What a process has been told, once all that was on its way has arrived. */
export async function allHeard(process: LockProcess): Promise<readonly HoldNotice[]> {
  const last = want(named('last'));
  await had(process, last);
  await process.store.askBack(last.resource, [last.request], 'the case', 'to be told last');
  const isLast = ({ request }: HoldNotice): boolean => request === last.request;
  await eventually(() => process.told.some(isLast), 'notices arrive in order');
  await process.store.leave(last.resource, last.request);
  return process.told.filter((notice) => !isLast(notice));
}

/** The requests that hold a resource, and those that wait for it, first come first. */
export async function seen(
  { store }: LockProcess,
  resource: string,
): Promise<{ readonly held: readonly string[]; readonly waiting: readonly string[] }> {
  const { holdings, waitings } = await store.queues([resource]);
  return {
    held: holdings.map(({ request }) => request),
    waiting: waitings.map(({ request }) => request),
  };
}

/** So many wait for it, as far as this manager can see. */
export const standing = (manager: LockManager, resource: string, count: number): Promise<void> =>
  eventually(
    async () => (await manager.inspect(resource)).waiters.length === count,
    `${count} stand in line`,
  );

export const isCoded =
  (code: LockdErrorCode, message: RegExp = /./): ((error: unknown) => boolean) =>
  (error) =>
    isLockdError(error) && error.code === code && message.test(error.message);

export async function eventually(
  isSo: () => boolean | Promise<boolean>,
  what: string,
  withinMs = 10_000,
): Promise<void> {
  const until = performance.now() + withinMs;
  while (!(await isSo())) {
    assert.ok(performance.now() < until, `waited in vain for ${withinMs} ms: ${what}`);
    await sleep(10);
  }
}
