import type { InstanceFacts, LeaseFacts, LockFacts, Picture, SessionFacts } from './picture.ts';
import * as remedies from './remedies.ts';
import { quoted, seconds, sessionText, transactionText } from './session-text.ts';

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
  | 'two-schemas' // the name is led in another schema of this database, too
  | 'connection-limit' // nine tenths of the connections that are granted are taken
  | 'clock-drift'; // an instance's clock is more than a second from the server's

export interface Fault {
  readonly code: FaultCode;
  /** Which of several that have this code: an instance's uuid, a schema, a limit. */
  readonly about?: string | undefined;
  /** What, about whom, and what to do. */
  readonly message: string;
  /**
   * The command that mends it, for a shell whose DATABASE_URL is the one of the instances. Where it
   * passes by itself: the one that shows it pass. Undefined where there is nothing to do.
   */
  readonly remedy?: string | undefined;
}

/** One that is there in two pictures, whatever has become of its message. */
export const isSame = (one: Fault, other: Fault): boolean =>
  one.code === other.code && one.about === other.about;

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
    ...foreignLease(lease, picture),
    ...connectionLimits(picture),
    ...goneInstances(picture, isOver ? undefined : lease.instance),
    ...driftingClocks(picture),
  ];
}

function idleSeat(holder: LockFacts | undefined): Fault[] {
  if (holder === undefined) return [];
  return [
    {
      code: 'seat-held',
      message: `Nobody leads, but ${sessionText(holder)} holds the seat. It is about to take over, or hangs: ending it frees the seat.`,
      remedy: remedies.terminate(holder.backend),
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
  const leader = picture.instances.find(({ instance }) => instance === lease.instance);
  const where = leader === undefined ? '' : ` (${leader.host}, pid ${leader.pid})`;
  const isAwaited = picture.instances.some(
    ({ instance, isPresent, isEligible }) => isPresent && isEligible && instance !== lease.instance,
  );
  if (beatAgeMs > ttlMs) {
    const { message, remedy } = afterSilence(holder, isOther, isAwaited, picture);
    return [
      {
        code: 'leader-silent',
        message: `No beat of ${label}${where} for ${seconds(beatAgeMs)}, longer than its TTL of ${seconds(ttlMs)}: it is dead, frozen or cut off. ${message}`,
        remedy,
      },
    ];
  }
  const safe = `Safe to take over in ${seconds(ttlMs - beatAgeMs)}, at ${new Date(beatAt.getTime() + ttlMs).toISOString()}.`;
  const faults: Fault[] = [];
  if (holder === undefined) {
    faults.push({
      code: 'seat-free',
      message: `The lease of ${label}${where} is live, but no session holds the seat: its session is gone. ${safe} ${isAwaited ? 'Who waits does.' : 'Nobody waits for it: start an instance.'}`,
      remedy: isAwaited ? remedies.watch(picture) : remedies.start(picture),
    });
  } else if (isOther) {
    faults.push({
      code: 'seat-inherited',
      message: `The lease of ${label} is live, but ${sessionText(holder)} holds the seat: it waits for the lease to end. ${safe}`,
      remedy: remedies.watch(picture),
    });
  } else if (beatAgeMs > overdueBeats * heartbeatMs) {
    faults.push({
      code: 'beat-overdue',
      message: `The last beat of ${label}${where} is ${seconds(beatAgeMs)} old, one was due every ${seconds(heartbeatMs)}: it is slow, frozen or cut off; of it the server has ${sessionText(holder)}. ${safe}`,
      remedy:
        leader === undefined ? remedies.watch(picture) : remedies.wake(leader.pid, leader.host),
    });
  }
  if (leader?.isPresent !== true) {
    faults.push({
      code: 'leader-unregistered',
      message: `The control session of ${label} is lost: it hears no request to resign until it has connected again.`,
      remedy: remedies.watch(picture),
    });
  }
  return faults;
}

function afterSilence(
  holder: LockFacts | undefined,
  isOther: boolean,
  isAwaited: boolean,
  picture: Picture,
): { message: string; remedy: string } {
  if (holder === undefined) {
    return isAwaited
      ? {
          message: 'No session holds the seat: who waits takes over.',
          remedy: remedies.watch(picture),
        }
      : {
          message: 'No session holds the seat: start an instance, it takes over.',
          remedy: remedies.start(picture),
        };
  }
  const session = sessionText(holder);
  if (isOther) {
    return {
      message: `${session} holds the seat and is about to take over.`,
      remedy: remedies.watch(picture),
    };
  }
  // Ending it would make its commit visible where the standby does not have it.
  if (holder.waitEvent === 'SyncRep') {
    return {
      message: `Its beat waits for a synchronous standby, and so would everybody's: bring the standby back, or take it out of synchronous_standby_names.`,
      remedy: remedies.showStandbys(),
    };
  }
  return {
    message: `Its session still holds the seat (${session}); the server ends it soon, and you can at once.`,
    remedy: remedies.terminate(holder.backend),
  };
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

function heldUp(picture: Picture): Fault[] {
  const { fenceLocks, seat } = picture;
  const takeover = fenceLocks.find(({ isGranted }) => !isGranted);
  const blockers = fenceLocks.filter(({ isGranted }) => isGranted);
  if (takeover === undefined || blockers.length === 0) return [];
  const prepared = blockers.find((one) => one.prepared !== undefined)?.prepared;
  return [
    {
      code: 'fence-blocked',
      message: `A takeover waits for fenced transactions to finish: ${blockers.map(transactionText).join('; ')}. Ended, they roll back.`,
      remedy:
        prepared === undefined ? remedies.endBlockers(picture, seat) : remedies.rollBack(prepared),
    },
  ];
}

function foreignLease(lease: LeaseFacts | undefined, picture: Picture): Fault[] {
  if (lease?.isForeign !== true) return [];
  return [
    {
      code: 'lease-foreign',
      message: `The lease of ${lease.label} was taken on another timeline or server than this one, before a promotion or a restore: whoever is next waits a full TTL.`,
      remedy: remedies.watch(picture),
    },
  ];
}

function connectionLimits({ crowded }: Picture): Fault[] {
  return crowded.map((room) => {
    const { of, name, used, bound } = room;
    const whose = name === undefined ? 'the server' : `${of} ${quoted(name)}`;
    return {
      code: 'connection-limit',
      about: name === undefined ? of : `${of} ${name}`,
      message: `${used} of the ${bound} connections of ${whose} are taken: when none is left, instances that connect, or connect again, are refused.`,
      remedy: remedies.makeRoom(room),
    };
  });
}

function goneInstances({ instances }: Picture, leader: string | undefined): Fault[] {
  return instances
    .filter(({ instance, isPresent }) => !isPresent && instance !== leader)
    .map(({ instance, label, host, pid }) => ({
      code: 'instance-gone',
      about: instance,
      message: `${label} (${host}, pid ${pid}) left without signing off. Its row goes when the next instance registers.`,
    }));
}

/** So far from the server's, times in logs of instances cannot be laid side by side. */
const driftMs = 1_000;

function driftingClocks({ instances }: Picture): Fault[] {
  return instances
    .filter(({ isPresent, clockOffsetMs = 0 }) => isPresent && Math.abs(clockOffsetMs) > driftMs)
    .map(({ instance, label, host, clockOffsetMs = 0 }: InstanceFacts) => ({
      code: 'clock-drift',
      about: instance,
      message: `When ${label} registered, the clock of ${host} was ${seconds(Math.abs(clockOffsetMs))} ${clockOffsetMs > 0 ? 'ahead of' : 'behind'} the server's. No decision depends on it, but times in its log do not fit those of the history.`,
      remedy: remedies.setClock(host),
    }));
}

function twoSchemas(picture: Picture): Fault[] {
  return picture.elsewhere.map((session) => ({
    code: 'two-schemas',
    about: session.schema,
    message: `This name is led in schema ${session.schema}, too, by ${sessionText(session)}: there may be two leaders. Give all instances the same schema.`,
    remedy: remedies.statusIn(picture, session.schema),
  }));
}
