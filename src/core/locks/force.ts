import { duration } from '../checks.ts';
import type { Clock } from '../clock.ts';
import { pause } from '../control.ts';
import { refuseUnknown } from '../known.ts';
import { checkLine, checkResource } from './options.ts';
import type { Holding, LockStore } from './store.ts';
import type { Forced, ForceOptions } from './surface.ts';

/** What it takes of a store. */
type Forcing = Pick<LockStore, 'queues' | 'askBack' | 'takeBack'>;

const defaultGraceMs = 5_000;
const lookEveryMs = 50;

/** Asks first, then takes: politeness is what lets a holder finish what it is in the middle of. */
export async function forceRelease(
  { store, clock }: { readonly store: Forcing; readonly clock: Clock },
  resource: string,
  options: ForceOptions,
): Promise<Forced> {
  checkResource(resource);
  refuseUnknown(options, { by: true, reason: true, graceMs: true });
  const by = checkLine('by', options.by);
  const reason = checkLine('reason', options.reason);
  const graceMs = duration('graceMs', options.graceMs ?? defaultGraceMs, 0);
  const asked = await holdersOf(store, resource);
  let left = requestsOf(asked);
  // By their requests: whoever has it next meanwhile is nobody that was meant.
  if (left.length > 0) await store.askBack(resource, left, by, reason);
  const until = clock.mono() + graceMs;
  for (;;) {
    const now = new Set(requestsOf(await holdersOf(store, resource)));
    left = left.filter((request) => now.has(request));
    if (left.length === 0 || clock.mono() >= until) break;
    await pause(clock, Math.min(lookEveryMs, until - clock.mono()));
  }
  const taken = new Set(left.length > 0 ? await store.takeBack(resource, left, by, reason) : []);
  return {
    released: asked.filter(({ request }) => !taken.has(request)),
    taken: asked.filter(({ request }) => taken.has(request)),
  };
}

const requestsOf = (holdings: readonly Holding[]): readonly string[] =>
  holdings.map(({ request }) => request);

const holdersOf = async (store: Forcing, resource: string): Promise<readonly Holding[]> =>
  (await store.queues([resource])).holdings;
