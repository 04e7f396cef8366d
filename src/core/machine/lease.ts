/** Which history a row belongs to: a promotion, a restore or a re-created schema changes it. */
export interface History {
  readonly timeline: string;
  readonly systemIdentifier: string;
  /** oid of the table whose oid is the seats' lock class. */
  readonly lockClass: number;
}

/** The lease row as one statement read it, beside the identity of the server it was read from. */
export interface Lease {
  readonly token: bigint;
  readonly beat: number;
  readonly ttlMs: number;
  readonly heartbeatMs: number;
  /** Age of the latest beat by the server's clock. For pacing and for people, never for safety. */
  readonly beatAgeMs: number | undefined;
  readonly instance: string | undefined;
  readonly label: string | undefined;
  readonly isEnded: boolean;
  /** What the holder recorded when it took over; undefined before the first takeover. */
  readonly recorded: History | undefined;
  readonly server: History;
}

/** The latest beat a standby has seen, and when it learned of it on its own monotonic clock. */
export interface Sighting {
  readonly token: bigint;
  readonly beat: number;
  readonly at: number;
}

/**
 * `safe`: the old leader must be known to have stopped. `fast`: a free seat is taken for proof of it.
 * `sole`: nobody else has ever campaigned for this name, as for the lease of a process.
 */
export type Takeover = 'safe' | 'fast' | 'sole';

/** Who inherits: what the decision needs to know of the winner of the seat. */
export interface Heir {
  readonly instance: string;
  readonly ttlMs: number;
  readonly takeover: Takeover;
  /** When it learned of the grant, on its monotonic clock. */
  readonly grantedAt: number;
  readonly sighting: Sighting | undefined;
  readonly highestToken: bigint;
}

export type Ground =
  | 'vacant'
  | 'ended'
  | 'own'
  | 'sole'
  | 'trusted-seat'
  | 'observed'
  | 'unobserved'
  | 'doubtful';

/** When the winner of the seat may start (monotonic ms; 0: at once), and on what ground. */
export interface Inheritance {
  readonly startAt: number;
  readonly ground: Ground;
}

/**
 * May the winner of a seat start, and when?
 *
 * The seat only says who is next: a server frees it early on a restart, a terminate, a reset or a
 * clock step. So the old leader must be known to have stopped (its token is marked ended), or its own
 * TTL must have run out on our clock, counted from a moment at which its last beat had been sent.
 */
export function inherit(lease: Lease, heir: Heir): Inheritance {
  // Nobody campaigns while work of its own lost term still runs, and there is nobody else.
  if (heir.takeover === 'sole') return { startAt: 0, ground: 'sole' };
  // History first: a promotion or a restore may have lost the last writes, and then no mark
  // and no beat in the row says anything about the holder that the lost writes knew.
  if (mayBeOlderThanTheTruth(lease, heir)) {
    return { startAt: heir.grantedAt + Math.max(lease.ttlMs, heir.ttlMs), ground: 'doubtful' };
  }
  if (lease.token === 0n) return { startAt: 0, ground: 'vacant' };
  if (lease.isEnded) return { startAt: 0, ground: 'ended' };
  // As above: our own old term is over.
  if (lease.instance === heir.instance) return { startAt: 0, ground: 'own' };
  if (heir.takeover === 'fast') return { startAt: 0, ground: 'trusted-seat' };
  const { sighting } = heir;
  if (sighting !== undefined && sighting.token === lease.token && sighting.beat === lease.beat) {
    return { startAt: sighting.at + lease.ttlMs, ground: 'observed' };
  }
  return { startAt: heir.grantedAt + lease.ttlMs, ground: 'unobserved' };
}

function mayBeOlderThanTheTruth(lease: Lease, heir: Heir): boolean {
  const { recorded, server, token, beat } = lease;
  if (token < heir.highestToken) return true;
  if (heir.sighting !== undefined && token === heir.sighting.token && beat < heir.sighting.beat) {
    return true;
  }
  // A first timeline has no history to lose; a later one may have lost the first takeover.
  if (recorded === undefined) return Number.parseInt(server.timeline, 16) > 1;
  return (
    recorded.timeline !== server.timeline ||
    recorded.systemIdentifier !== server.systemIdentifier ||
    recorded.lockClass !== server.lockClass
  );
}
