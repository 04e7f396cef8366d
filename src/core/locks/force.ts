import { duration, expect } from '../checks.ts';
import type { Clock } from '../clock.ts';
import { pause } from '../control.ts';
import { refuseUnknown } from '../known.ts';
import { checkReason } from './options.ts';
import type { Holding, LockStore } from './store.ts';
import type { Forced, ForceOptions } from './surface.ts';

const defaultGraceMs = 5_000;
const lookEveryMs = 50;

/** Asks first, then takes: politeness is what lets a holder finish what it is in the middle of. */
export async function forceRelease(
  { store, clock }: { readonly store: LockStore; readonly clock: Clock },
  resource: string,
  options: ForceOptions,
): Promise<Forced> {
  refuseUnknown(options, { by: true, reason: true, graceMs: true });
  const by = checkReason(options.by);
  const reason = checkReason(options.reason);
  expect(by !== undefined, '`by` to say who takes it away', by);
  expect(reason !== undefined, '`reason` to say why', reason);
  const graceMs = duration('graceMs', options.graceMs ?? defaultGraceMs, 0);
  const asked = await holdersOf(store, resource);
  await store.askBack(resource, by as string, reason as string);
  const until = clock.mono() + graceMs;
  let left = asked;
  for (;;) {
    const now = await holdersOf(store, resource);
    left = asked.filter(({ request }) => now.some((hold) => hold.request === request));
    if (left.length === 0 || clock.mono() >= until) break;
    await pause(clock, Math.min(lookEveryMs, until - clock.mono()), never);
  }
  const requests = left.map(({ request }) => request);
  if (requests.length > 0) await store.takeBack(resource, requests, by as string, reason as string);
  return { released: asked.filter((hold) => !left.includes(hold)), taken: left };
}

const holdersOf = async (store: LockStore, resource: string): Promise<readonly Holding[]> =>
  (await store.queues([resource])).holdings;

const never = new AbortController().signal;
