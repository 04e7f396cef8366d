import { setTimeout as sleep } from 'node:timers/promises';
import { checkName } from '../core/checks.ts';
import { refuseUnknown } from '../core/known.ts';
import { checkSchema } from './checks.ts';
import { type DatabaseOptions, databaseOptions, settleDatabase } from './connection.ts';
import { type Fault, faultsOf } from './faults.ts';
import {
  type InstanceFacts,
  type LeaseFacts,
  type Picture,
  readPictures,
  type SessionFacts,
} from './picture.ts';
import { Session } from './session.ts';

/** Who leads a name, who waits for it, and what is wrong; as the server sees it. */
export interface NameStatus {
  /** What is led: the `name` of the controllers. */
  readonly name: string;
  /** By the server's clock, as all times here. */
  readonly readAt: Date;
  /** There is a live lease: beaten within its TTL, not marked ended. What is odd is in `faults`. */
  readonly isLed: boolean;
  /** Who leads, or led last; undefined where nobody ever has. */
  readonly leader: LeaderStatus | undefined;
  /** Registered instances that do not lead, the oldest first. */
  readonly waiting: readonly InstanceStatus[];
  /** The session that holds the seat; undefined where the seat is free. */
  readonly seat: SessionFacts | undefined;
  /** What is wrong, and was still a moment later; empty when all is well. */
  readonly faults: readonly Fault[];
}

/** Who leads, or led last. Times are the server's; `undefined` is `null` in `lockd status --json`. */
export interface LeaderStatus {
  /** `silent`: no beat for longer than its TTL, and nobody has said that it ended. */
  readonly state: 'leading' | 'silent' | 'ended';
  /** The fencing token of its term; greater than that of every term before. */
  readonly token: bigint;
  /** The uuid of its controller: `controller.instance`. */
  readonly instance: string;
  /** Its `label`: by default `hostname:pid`. */
  readonly label: string;
  /** Its machine, as it registered. Undefined, as the next two, where it has not: no control session. */
  readonly host: string | undefined;
  /** Process id there. */
  readonly pid: number | undefined;
  /** Its version of lockd. */
  readonly version: string | undefined;
  /** When it took over. */
  readonly since: Date;
  /** Time since its last beat, or its takeover, in ms. Goes on when the term has ended, too. */
  readonly lastBeatAgeMs: number;
  /** Its own TTL, in ms: what a successor waits for after its last beat. */
  readonly ttlMs: number;
  /** Time between two of its beats, in ms. */
  readonly heartbeatMs: number;
  /** When a successor may start if no beat follows: its last beat and its TTL. */
  readonly lapsesAt: Date;
  /** When its term was marked ended. Undefined, as the next two, while nobody has said so. */
  readonly endedAt: Date | undefined;
  /** `release`: itself, in order; `confession`: itself, after a loss; `testimony`: its guard. */
  readonly endedBy: string | undefined;
  /** Why, as the `passive` event says it; of a testimony, what its guard saw. */
  readonly endedReason: string | undefined;
}

/** One registered instance that waits; registered is who has its control session connected. */
export interface InstanceStatus {
  /** The uuid of its controller: `controller.instance`. */
  readonly instance: string;
  /** Its `label`: by default `hostname:pid`. */
  readonly label: string;
  /** Host name of its machine, as it registered. */
  readonly host: string;
  /** Process id there. */
  readonly pid: number;
  /** Its version of lockd. */
  readonly version: string;
  /** What its controller was given as `metadata`. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** When it registered; anew with each control session. */
  readonly since: Date;
}

const timeoutMs = 5_000;

/** Locks and tables are read a moment apart: a fault counts if it is still there after this. */
const secondLookMs = 100;

/**
 * The picture of every name in the schema, or of the one; empty where nobody has ever campaigned.
 * Works through any pooler, needs only to read the schema, and writes nothing. A role without
 * `pg_read_all_stats` sees less of other roles' sessions.
 */
export async function readStatus(
  options: DatabaseOptions = {},
  name?: string | undefined,
): Promise<NameStatus[]> {
  refuseUnknown(options, databaseOptions);
  if (name !== undefined) checkName(name);
  const { hosts, schema } = settleDatabase(options);
  const session = await Session.open({ hosts, applicationName: 'lockd:status', timeoutMs });
  try {
    const first = await look(session, schema, name);
    if (first.every(({ faults }) => faults.length === 0)) return first;
    await sleep(secondLookMs);
    return confirmed(first, await look(session, schema, name));
  } finally {
    await session.close();
  }
}

/**
 * In a transaction that ends with all it has set: a transaction pooler hands the backend on, and
 * what a visit like this pins for its session would be somebody else's search_path.
 */
async function look(
  session: Session,
  schema: string,
  name: string | undefined,
): Promise<NameStatus[]> {
  await session.bounded(
    'begin isolation level read committed read only; set local search_path = pg_catalog, pg_temp',
  );
  try {
    await checkSchema(session, schema);
    const ask: Session['query'] = (text, values) => session.bounded(text, values);
    return (await readPictures(ask, schema, name)).map(statusOf);
  } finally {
    await session.bounded('commit').catch(() => {}); // a lost session has nothing to end
  }
}

/** What both looks saw. */
function confirmed(first: readonly NameStatus[], second: readonly NameStatus[]): NameStatus[] {
  const before = new Map(first.map((status) => [status.name, status]));
  return second.map((status) => ({
    ...status,
    faults: stillThere(before.get(status.name), status),
  }));
}

/** Where another term or another session came between, nothing hangs. */
function stillThere(before: NameStatus | undefined, now: NameStatus): readonly Fault[] {
  const isMoving =
    before?.leader?.token !== now.leader?.token || before?.seat?.backend !== now.seat?.backend;
  if (isMoving) return [];
  return now.faults.filter(({ code }) => before?.faults.some((fault) => fault.code === code));
}

export function statusOf(picture: Picture): NameStatus {
  const { name, readAt, lease, instances } = picture;
  const leader = lease === undefined ? undefined : leaderOf(lease, instances);
  const holding = leader === undefined || leader.state === 'ended' ? undefined : leader.instance;
  return {
    name,
    readAt,
    isLed: leader?.state === 'leading',
    leader,
    waiting: instances
      .filter(({ instance, isPresent }) => isPresent && instance !== holding)
      .map(({ isPresent: _, registeredAt, ...instance }) => ({ ...instance, since: registeredAt })),
    seat: seatOf(picture),
    faults: faultsOf(picture),
  };
}

function seatOf({ seatLocks }: Picture): SessionFacts | undefined {
  const holder = seatLocks.find(({ isGranted }) => isGranted);
  if (holder === undefined) return undefined;
  const { isGranted: _, ...session } = holder;
  return session;
}

function leaderOf(lease: LeaseFacts, instances: readonly InstanceFacts[]): LeaderStatus {
  const { acquiredAt, beatAt, beatAgeMs, isForeign: _, ...facts } = lease;
  const registered = instances.find(({ instance }) => instance === lease.instance);
  const isSilent = beatAgeMs > lease.ttlMs;
  return {
    ...facts,
    state: lease.endedAt !== undefined ? 'ended' : isSilent ? 'silent' : 'leading',
    host: registered?.host,
    pid: registered?.pid,
    version: registered?.version,
    since: acquiredAt,
    lastBeatAgeMs: Math.max(0, beatAgeMs),
    lapsesAt: new Date(beatAt.getTime() + lease.ttlMs),
  };
}
