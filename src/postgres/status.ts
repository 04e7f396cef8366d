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
  readonly name: string;
  /** By the server's clock, as all times here. */
  readonly readAt: Date;
  /** There is a live lease: beaten within its TTL, not marked ended. What is odd is in `faults`. */
  readonly isLed: boolean;
  /** Who leads, or led last; undefined where nobody ever has. */
  readonly leader: LeaderStatus | undefined;
  /** Registered instances that do not lead, the oldest first. */
  readonly waiting: readonly InstanceStatus[];
  /** The session that holds the seat. */
  readonly seat: SessionFacts | undefined;
  readonly faults: readonly Fault[];
}

export interface LeaderStatus {
  /** `silent`: no beat for longer than its TTL, and nobody has said that it ended. */
  readonly state: 'leading' | 'silent' | 'ended';
  readonly token: bigint;
  readonly instance: string;
  readonly label: string;
  /** This and the next two are known while its control session is connected. */
  readonly host: string | undefined;
  readonly pid: number | undefined;
  readonly version: string | undefined;
  readonly since: Date;
  readonly lastBeatAgeMs: number;
  readonly ttlMs: number;
  readonly heartbeatMs: number;
  /** When a successor may start if no beat follows; by the server's clock. */
  readonly lapsesAt: Date;
  readonly endedAt: Date | undefined;
  /** release, confession or testimony. */
  readonly endedBy: string | undefined;
  readonly endedReason: string | undefined;
}

export interface InstanceStatus {
  readonly instance: string;
  readonly label: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly metadata: Readonly<Record<string, unknown>>;
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
