/**
 * What the server knows about names: leases, instances, and whose sessions hold and await which
 * locks. One statement, so one snapshot of the tables beside one look at the locks; these two may
 * still be a moment apart, and who judges by them looks twice.
 */
import { LockdError } from '../core/errors.ts';
import { expectVersion } from './checks.ts';
import { pictureStatement } from './picture-statement.ts';
import type { Session } from './session.ts';

type Ask = Session['query'];

/** A session as roles without `pg_read_all_stats` may not see it: then most of it is undefined. */
export interface SessionFacts {
  /** Process id on the server: what `pg_terminate_backend` takes. */
  readonly backend: number;
  readonly user: string | undefined;
  readonly applicationName: string | undefined;
  /** Where it comes from; undefined for a unix socket, too. */
  readonly address: string | undefined;
  readonly startedAt: Date | undefined;
  /** As `pg_stat_activity` says: active, idle, … */
  readonly state: string | undefined;
  /** How long it has been in this state. */
  readonly stateMs: number | undefined;
  /** What it waits for, as `pg_stat_activity` says: ClientRead, SyncRep, … */
  readonly waitEvent: string | undefined;
}

export interface LockFacts extends SessionFacts {
  readonly isGranted: boolean;
}

/** A fenced transaction, or the takeover that waits for it. */
export interface FenceFacts extends Omit<LockFacts, 'backend'> {
  /** None of a prepared transaction. */
  readonly backend: number | undefined;
  readonly transactionMs: number | undefined;
  /** The beginning of its latest statement: anybody's text. */
  readonly query: string | undefined;
  /** The gid of a prepared transaction. */
  readonly prepared: string | undefined;
}

export interface InstanceFacts {
  readonly instance: string;
  readonly label: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly registeredAt: Date;
  /** Who goes first when the seat comes free: see `rankOf`. */
  readonly rank: readonly number[];
  readonly isEligible: boolean;
  readonly appVersion: string | undefined;
  /** Its clock less the server's, when it registered. */
  readonly clockOffsetMs: number | undefined;
  /** Its control session is connected. */
  readonly isPresent: boolean;
}

export interface LeaseFacts {
  readonly token: bigint;
  readonly instance: string;
  readonly label: string;
  readonly ttlMs: number;
  readonly heartbeatMs: number;
  readonly acquiredAt: Date;
  readonly beatAt: Date;
  /** By the server's clock, at the moment of reading. */
  readonly beatAgeMs: number;
  readonly endedAt: Date | undefined;
  readonly endedBy: string | undefined;
  readonly endedReason: string | undefined;
  /** It was taken on another timeline, server or schema than this one: a promotion, a restore. */
  readonly isForeign: boolean;
}

export interface Picture {
  readonly schema: string;
  readonly name: string;
  /** By the server's clock, as all times here. */
  readonly readAt: Date;
  readonly seat: number;
  readonly channel: string;
  readonly lease: LeaseFacts | undefined;
  readonly instances: readonly InstanceFacts[];
  /** Who holds the seat, and who stands in the queue for it. */
  readonly seatLocks: readonly LockFacts[];
  /** Fenced transactions, and the takeover that waits for them. */
  readonly fenceLocks: readonly FenceFacts[];
  /** Sessions that hold the seat of this name in other schemas of this database. */
  readonly elsewhere: readonly ForeignFacts[];
  /** Limits of connections that are nearly reached; the same in all pictures of one look. */
  readonly crowded: readonly RoomFacts[];
}

export interface ForeignFacts extends SessionFacts {
  readonly schema: string;
}

/** One limit of connections, and how many of them are taken; of the role: wherever it is connected. */
export interface RoomFacts {
  readonly of: 'server' | 'database' | 'role';
  /** Of the role or the database. */
  readonly name: string | undefined;
  readonly used: number;
  readonly bound: number;
}

/** What seats in other schemas are called, by class and key: a row of names never changes. */
export type NamesElsewhere = Map<string, string>;

/**
 * All names, or the one; none where nobody has ever campaigned for it. One statement, which needs no
 * session state; one more for each seat in another schema that is not yet in `known`.
 */
export async function readPictures(
  ask: Ask,
  schema: string,
  name: string | undefined,
  known: NamesElsewhere = new Map(),
): Promise<Picture[]> {
  const { rows } = await ask(pictureStatement(schema), [name ?? null]);
  const [row] = rows;
  expectVersion(schema, Number(row.version));
  if (row.is_replica) throw replica(row.upstream);
  const shared = {
    schema: schema.slice(1, -1),
    crowded: (row.crowded ?? []).map(roomOf),
    elsewhere: await sessionsElsewhere(ask, row.elsewhere ?? [], known),
  };
  // biome-ignore lint/suspicious/noExplicitAny: as the statement made them
  return (row.pictures ?? []).map((each: any) => pictureOf(each, shared));
}

/** Where the primary is, as far as this role may see it. */
function replica(upstream: { host: string | null; port: number } | null): LockdError {
  const { host, port } = upstream ?? {};
  const primary = (host ?? '') === '' ? '' : `, ${host}:${port}`;
  return new LockdError(
    'LOCKD_REPLICA',
    `This server is a replica: it knows nothing of the locks on its primary. Connect to the primary${primary}, or name all hosts, postgres://user@host1,host2/database: whichever is the primary is asked.`,
  );
}

/** Which names seats in other schemas belong to; hardly ever is there one. */
async function sessionsElsewhere(
  ask: Ask,
  // biome-ignore lint/suspicious/noExplicitAny: as the statement made them
  seats: readonly any[],
  known: NamesElsewhere,
): Promise<Map<string, ForeignFacts[]>> {
  const found = new Map<string, ForeignFacts[]>();
  for (const { identifier, seatClass, seat, ...facts } of seats) {
    const key = `${seatClass}/${seat}`;
    if (!known.has(key)) {
      const { rows } = await ask(`select name from ${identifier}.lock where id = $1`, [seat]);
      if (rows.length === 1) known.set(key, rows[0].name);
    }
    const name = known.get(key);
    if (name !== undefined) found.set(name, [...(found.get(name) ?? []), sessionOf(facts)]);
  }
  return found;
}

interface Shared {
  readonly schema: string;
  readonly crowded: readonly RoomFacts[];
  readonly elsewhere: ReadonlyMap<string, ForeignFacts[]>;
}

// biome-ignore lint/suspicious/noExplicitAny: the one place where rows get their types
function pictureOf(row: any, { elsewhere, ...shared }: Shared): Picture {
  return {
    ...shared,
    name: row.name,
    readAt: new Date(row.read_at),
    seat: row.seat,
    channel: row.channel,
    lease: row.token === '0' ? undefined : leaseOf(row),
    instances: (row.instances ?? []).map((facts: InstanceFacts) => ({
      ...facts,
      registeredAt: new Date(facts.registeredAt),
      appVersion: facts.appVersion ?? undefined,
      clockOffsetMs: facts.clockOffsetMs ?? undefined,
    })),
    seatLocks: (row.seat_locks ?? []).map(sessionOf),
    fenceLocks: (row.fence_locks ?? []).map(workOf),
    elsewhere: elsewhere.get(row.name) ?? [],
  };
}

// biome-ignore lint/suspicious/noExplicitAny: the one place where rows get their types
const leaseOf = (row: any): LeaseFacts => ({
  token: BigInt(row.token),
  instance: row.instance,
  label: row.label,
  ttlMs: row.ttl_ms,
  heartbeatMs: row.heartbeat_ms,
  acquiredAt: new Date(row.acquired_at),
  beatAt: new Date(row.beat_at),
  beatAgeMs: Number(row.beat_age_ms),
  endedAt: row.ended_at === null ? undefined : new Date(row.ended_at),
  endedBy: row.ended_by ?? undefined,
  endedReason: row.ended_reason ?? undefined,
  isForeign: row.is_foreign,
});

// biome-ignore lint/suspicious/noExplicitAny: the one place where rows get their types
const sessionOf = (facts: any): any => ({
  ...facts,
  user: facts.user ?? undefined,
  applicationName: facts.applicationName ?? undefined,
  address: facts.address ?? undefined,
  startedAt: facts.startedAt === null ? undefined : new Date(facts.startedAt),
  state: facts.state ?? undefined,
  stateMs: facts.stateMs ?? undefined,
  waitEvent: facts.waitEvent ?? undefined,
});

// biome-ignore lint/suspicious/noExplicitAny: the one place where rows get their types
const workOf = (facts: any): FenceFacts => ({
  ...sessionOf(facts),
  backend: facts.backend ?? undefined,
  transactionMs: facts.transactionMs ?? undefined,
  query: facts.query ?? undefined,
  prepared: facts.prepared ?? undefined,
});

// biome-ignore lint/suspicious/noExplicitAny: the one place where rows get their types
const roomOf = (facts: any): RoomFacts => ({ ...facts, name: facts.name ?? undefined });
