import { setTimeout as sleep } from 'node:timers/promises';
import { checkName } from '../core/checks.ts';
import { refuseUnknown } from '../core/known.ts';
import { type DatabaseOptions, databaseOptions } from './connection.ts';
import { type Fault, faultsOf, isSame } from './faults.ts';
import {
  type InstanceFacts,
  type LeaseFacts,
  type Picture,
  readPictures,
  type SessionFacts,
} from './picture.ts';
import { visit } from './visit.ts';

/** Who leads a name, who waits for it, and what is wrong; as the server sees it. */
export interface NameStatus {
  /** What is led: the `name` of the controllers. */
  readonly name: string;
  /** By the server's clock, as all times here. */
  readonly readAt: Date;
  /** There is a live lease: beaten within its TTL, not marked ended. What is odd is in `faults`. */
  readonly isLed: boolean;
  /** False: nobody leads or waits; who led last was stopped in order, or has been silent for a day. */
  readonly isInUse: boolean;
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
  /** Its machine, as it registered. Undefined, as the next four, where it has not: no control session. */
  readonly host: string | undefined;
  /** Process id there. */
  readonly pid: number | undefined;
  /** Its version of lockd. */
  readonly version: string | undefined;
  /** Its `appVersion`, if it was given one. */
  readonly appVersion: string | undefined;
  /** Its clock less the server's when it registered, in ms: only for whoever reads its logs. */
  readonly clockOffsetMs: number | undefined;
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
  /** Its `appVersion`, if it was given one. */
  readonly appVersion: string | undefined;
  /** Its `priority`, if it was given one. */
  readonly priority: number | undefined;
  /** False: it observes, and never leads. */
  readonly isEligible: boolean;
  /** Its clock less the server's when it registered, in ms: only for whoever reads its logs. */
  readonly clockOffsetMs: number | undefined;
  /** What its controller was given as `metadata`. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** When it registered; anew with each control session. */
  readonly since: Date;
}

/** Locks and tables are read a moment apart: a fault counts if it is still there after this. */
export const secondLookMs = 100;

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
  return visit(options, 'lockd:status', async (look, schema) => {
    const once = (): Promise<NameStatus[]> =>
      look(async (ask) => (await readPictures(ask, schema, name)).map(statusOf));
    const first = await once();
    if (first.every(({ faults }) => faults.length === 0)) return first;
    await sleep(secondLookMs);
    const before = new Map(first.map((status) => [status.name, status]));
    return (await once()).map((status) => confirmed(before.get(status.name), status));
  });
}

/** With the faults that were there before. Where another term or session came between, nothing hangs. */
export function confirmed(before: NameStatus | undefined, now: NameStatus): NameStatus {
  const isMoving =
    before?.leader?.token !== now.leader?.token || before?.seat?.backend !== now.seat?.backend;
  const seen = isMoving ? [] : (before?.faults ?? []);
  return { ...now, faults: now.faults.filter((fault) => seen.some((one) => isSame(one, fault))) };
}

export function statusOf(picture: Picture): NameStatus {
  const { name, readAt, lease, instances } = picture;
  const leader = lease === undefined ? undefined : leaderOf(lease, instances);
  const holding = leader === undefined || leader.state === 'ended' ? undefined : leader.instance;
  const isLed = leader?.state === 'leading';
  const waiting = instances
    .filter(({ instance, isPresent }) => isPresent && instance !== holding)
    .map(({ isPresent: _, registeredAt, rank: [kind, number], ...instance }) => ({
      ...instance,
      priority: kind === 2 ? number : undefined,
      since: registeredAt,
    }));
  const seat = seatOf(picture);
  const seen = { isLed, leader, waiting, seat };
  return { name, readAt, isInUse: isInUse(seen), ...seen, faults: faultsOf(picture) };
}

/** So long after its last beat nobody is missed any more. */
const forgottenMs = 24 * 60 * 60 * 1000;

/** A name is never removed: what was stopped in order long ago must not be an alarm for ever. */
export function isInUse({
  isLed,
  leader,
  waiting,
  seat,
}: Pick<NameStatus, 'isLed' | 'leader' | 'waiting' | 'seat'>): boolean {
  if (isLed || waiting.length > 0 || seat !== undefined) return true;
  if (leader === undefined) return false;
  const isStopped = leader.state === 'ended' && leader.endedReason === 'stopped';
  return !isStopped && leader.lastBeatAgeMs < forgottenMs;
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
    appVersion: registered?.appVersion,
    clockOffsetMs: registered?.clockOffsetMs,
    since: acquiredAt,
    lastBeatAgeMs: Math.max(0, beatAgeMs),
    lapsesAt: new Date(beatAt.getTime() + lease.ttlMs),
  };
}
