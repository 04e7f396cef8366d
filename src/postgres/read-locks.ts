import { duration } from '../core/checks.ts';
import { systemClock } from '../core/clock.ts';
import { refuseUnknown } from '../core/known.ts';
import { forceRelease } from '../core/locks/force.ts';
import { checkResource } from '../core/locks/options.ts';
import type { Holding, Queues, Waiting } from '../core/locks/store.ts';
import type { Forced, ForceOptions, Inspection } from '../core/locks/surface.ts';
import { checkKind, checkSchema, checkServer } from './checks.ts';
import { type DatabaseOptions, databaseOptions, settleDatabase } from './connection.ts';
import * as holds from './hold-statements.ts';
import type { Hosts } from './hosts.ts';
import { pin, visitPins } from './pins.ts';
import { Session } from './session.ts';
import type { Ask } from './statements.ts';

export interface ReadLocksOptions {
  /** Only what has been held for longer, and who waits for it. */
  readonly stalerThanMs?: number | undefined;
}

const timeoutMs = 5_000;

/**
 * Every resource that somebody holds or waits for, by name: who has it, and who waits for it in which
 * order. Enrolls nothing and writes nothing; works through any pooler, and not on a replica, which knows
 * of no holds.
 */
export async function readLocks(
  options: DatabaseOptions = {},
  { stalerThanMs, ...rest }: ReadLocksOptions = {},
): Promise<Inspection[]> {
  refuseUnknown(options, databaseOptions);
  refuseUnknown({ stalerThanMs, ...rest }, { stalerThanMs: true });
  if (stalerThanMs !== undefined) duration('stalerThanMs', stalerThanMs, 0);
  const { hosts, schema } = settleDatabase(options);
  const session = await Session.open({ hosts, applicationName: 'lockd:locks', timeoutMs });
  try {
    const found = resourcesOf(await look(session, schema));
    return stalerThanMs === undefined ? found : staler(found, stalerThanMs);
  } finally {
    await session.close();
  }
}

/** Asks the holders to let go, and takes it from those who have not when the grace is over. */
export async function releaseLock(
  options: DatabaseOptions,
  resource: string,
  force: ForceOptions,
): Promise<Forced> {
  const wanted = checkResource(resource);
  const { hosts, schema } = settleDatabase(options);
  // Not before it is asked something: what does not fit is said without a database.
  let opened: Promise<Session> | undefined;
  const ask: Ask = async (text, values) => {
    opened ??= openVisit(hosts, schema);
    return (await opened).bounded(text, values);
  };
  const store: Parameters<typeof forceRelease>[0]['store'] = {
    queues: (resources) => holds.queues(ask, schema, resources),
    askBack: (asked, requests, by, reason) =>
      holds.askBack(ask, schema, asked, requests, by, reason),
    takeBack: (taken, requests, by, reason) =>
      holds.takeBack(ask, schema, taken, requests, by, reason),
  };
  try {
    return await forceRelease({ store, clock: systemClock }, wanted, force);
  } finally {
    await opened?.then(
      (session) => session.close(),
      () => {}, // whoever asked has been told
    );
  }
}

function openVisit(hosts: Hosts, schema: string): Promise<Session> {
  const settings = { hosts, applicationName: 'lockd:unlock', timeoutMs };
  return Session.prepared(settings, async (session) => {
    await checkServer(session, settings);
    await pin(session, visitPins);
    await checkSchema(session, schema);
    return session;
  });
}

/** In a transaction that ends with all it has set: a transaction pooler hands the backend on. */
export async function look(session: Session, schema: string): Promise<Queues> {
  await session.bounded('begin isolation level read committed read only');
  try {
    await pin(session, visitPins, 'transaction');
    await checkKind(session);
    await checkSchema(session, schema);
    return await holds.queues((text, values) => session.bounded(text, values), schema, undefined);
  } finally {
    await session.bounded('commit').catch(() => {}); // a lost session has nothing to end
  }
}

function resourcesOf({ holdings, waitings }: Queues): Inspection[] {
  const found = new Map<string, { holders: Holding[]; waiters: Waiting[] }>();
  const at = (resource: string) => {
    const one = found.get(resource) ?? { holders: [], waiters: [] };
    found.set(resource, one);
    return one;
  };
  for (const holding of holdings) at(holding.resource).holders.push(holding);
  for (const waiting of waitings) at(waiting.resource).waiters.push(waiting);
  return [...found]
    .map(([resource, who]) => ({ resource, ...who }))
    .sort((one, other) => (one.resource < other.resource ? -1 : 1));
}

const staler = (found: readonly Inspection[], thanMs: number): Inspection[] =>
  found
    .map((one) => ({ ...one, holders: one.holders.filter(({ forMs }) => forMs > thanMs) }))
    .filter(({ holders }) => holders.length > 0);
