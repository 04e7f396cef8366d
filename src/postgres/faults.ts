import type { LeaseFacts, LockFacts, Picture, SessionFacts } from './picture.ts';

/** What can be wrong with a name. Stable: match on these, not on messages. */
export type FaultCode =
  | 'seat-free' // the lease is live, but no session holds the seat
  | 'seat-inherited' // the lease is live, but another session holds the seat: it waits
  | 'seat-held' // a session holds the seat, and nobody leads
  | 'beat-overdue' // the leader's next beat should have come
  | 'leader-silent' // no beat for longer than the TTL
  | 'leader-unregistered' // the leader's control session is lost: it hears no requests
  | 'fence-blocked' // fenced transactions hold up a takeover
  | 'instance-gone' // an instance left without signing off
  | 'lease-foreign' // the lease is from before a promotion or a restore
  | 'two-schemas'; // the name is led in another schema of this database, too

export interface Fault {
  readonly code: FaultCode;
  /** What, about whom, and what to do. */
  readonly message: string;
}

/** A beat may be this late before anybody is told. */
const overdueBeats = 2;

/** What is wrong in this picture, the gravest first. By the server's clock: made for people. */
export function faultsOf(picture: Picture): Fault[] {
  const { lease } = picture;
  const holder = picture.seatLocks.find(({ isGranted }) => isGranted);
  const isOver = lease === undefined || lease.endedAt !== undefined;
  return [
    ...twoSchemas(picture),
    ...(isOver ? idleSeat(holder) : standingLease(lease, holder, picture)),
    ...heldUp(picture),
    ...foreignLease(lease),
    ...goneInstances(picture, isOver ? undefined : lease.instance),
  ];
}

function idleSeat(holder: LockFacts | undefined): Fault[] {
  if (holder === undefined) return [];
  return [
    {
      code: 'seat-held',
      message: `Nobody leads, but ${sessionText(holder)} holds the seat. It is about to take over, or hangs: ${terminating(holder)} frees the seat.`,
    },
  ];
}

function standingLease(
  lease: LeaseFacts,
  holder: LockFacts | undefined,
  picture: Picture,
): Fault[] {
  const { label, ttlMs, heartbeatMs, beatAgeMs, beatAt } = lease;
  const isOther = holder !== undefined && isAnothers(holder, lease, picture.name);
  if (beatAgeMs > ttlMs) {
    return [
      {
        code: 'leader-silent',
        message: `No beat of ${label} for ${seconds(beatAgeMs)}, longer than its TTL of ${seconds(ttlMs)}: it is dead, frozen or cut off. ${afterSilence(holder, isOther)}`,
      },
    ];
  }
  const safe = `Safe to take over in ${seconds(ttlMs - beatAgeMs)}, at ${new Date(beatAt.getTime() + ttlMs).toISOString()}.`;
  const faults: Fault[] = [];
  if (holder === undefined) {
    faults.push({
      code: 'seat-free',
      message: `The lease of ${label} is live, but no session holds the seat: its session is gone. ${safe}`,
    });
  } else if (isOther) {
    faults.push({
      code: 'seat-inherited',
      message: `The lease of ${label} is live, but ${sessionText(holder)} holds the seat: it waits for the lease to end. ${safe}`,
    });
  } else if (beatAgeMs > overdueBeats * heartbeatMs) {
    faults.push({
      code: 'beat-overdue',
      message: `The last beat of ${label} is ${seconds(beatAgeMs)} old, one was due every ${seconds(heartbeatMs)}: it is slow, frozen or cut off. ${safe}`,
    });
  }
  const isRegistered = picture.instances.some(
    ({ instance, isPresent }) => isPresent && instance === lease.instance,
  );
  if (!isRegistered) {
    faults.push({
      code: 'leader-unregistered',
      message: `The control session of ${label} is lost: it hears no request to resign until it has connected again.`,
    });
  }
  return faults;
}

function afterSilence(holder: LockFacts | undefined, isOther: boolean): string {
  if (holder === undefined) return 'No session holds the seat: start an instance, it takes over.';
  if (isOther) return `${sessionText(holder)} holds the seat and is about to take over.`;
  // Ending it would make its commit visible where the standby does not have it.
  if (holder.waitEvent === 'SyncRep') {
    return `Its beat waits for a synchronous standby, and so would everybody's: bring the standby back, or take it out of synchronous_standby_names.`;
  }
  return `Its session still holds the seat (${sessionText(holder)}); the server ends it soon, and ${terminating(holder)} at once.`;
}

/**
 * Whether the seat has passed on since the lease was taken. The lease does not say by which session
 * it was, so: one that began later, or that calls itself another's.
 */
function isAnothers(holder: SessionFacts, lease: LeaseFacts, name: string): boolean {
  const { startedAt, applicationName = '' } = holder;
  if (startedAt !== undefined && startedAt > lease.acquiredAt) return true;
  const own = `lockd:${name}:${lease.label}`;
  return (
    applicationName.startsWith(`lockd:${name}:`) &&
    !applicationName.startsWith(own) &&
    !own.startsWith(applicationName) // the server cuts names short
  );
}

function heldUp({ fenceLocks }: Picture): Fault[] {
  const takeover = fenceLocks.find(({ isGranted }) => !isGranted);
  const blockers = fenceLocks.filter(({ isGranted }) => isGranted);
  if (takeover === undefined || blockers.length === 0) return [];
  return [
    {
      code: 'fence-blocked',
      message: `A takeover waits for fenced transactions to finish: ${blockers.map(sessionText).join('; ')}.`,
    },
  ];
}

function foreignLease(lease: LeaseFacts | undefined): Fault[] {
  if (lease?.isForeign !== true) return [];
  return [
    {
      code: 'lease-foreign',
      message: `The lease of ${lease.label} was taken on another timeline or server than this one, before a promotion or a restore: whoever is next waits a full TTL.`,
    },
  ];
}

function goneInstances({ instances }: Picture, leader: string | undefined): Fault[] {
  return instances
    .filter(({ instance, isPresent }) => !isPresent && instance !== leader)
    .map(({ label, host, pid }) => ({
      code: 'instance-gone',
      message: `${label} (${host}, pid ${pid}) left without signing off. Its row goes when the next instance registers.`,
    }));
}

function twoSchemas({ elsewhere }: Picture): Fault[] {
  return elsewhere.map((session) => ({
    code: 'two-schemas',
    message: `This name is led in schema ${session.schema}, too, by ${sessionText(session)}: there may be two leaders. Give all instances the same schema.`,
  }));
}

function sessionText({
  backend,
  user,
  applicationName,
  address,
  state,
  stateMs,
}: SessionFacts): string {
  const facts = [
    applicationName,
    user === undefined ? undefined : `user ${user}`,
    address === undefined ? undefined : `from ${address}`,
    state === undefined || stateMs === undefined ? undefined : `${state} for ${seconds(stateMs)}`,
  ].filter((fact) => fact !== undefined && fact !== '');
  return `session ${backend}${facts.length === 0 ? '' : ` (${facts.join(', ')})`}`;
}

const terminating = ({ backend }: SessionFacts): string =>
  `select pg_terminate_backend(${backend})`;

const seconds = (ms: number): string => `${(Math.max(0, ms) / 1000).toFixed(1)} s`;
