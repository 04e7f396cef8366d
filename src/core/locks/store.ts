import type { Instant } from '../clock.ts';

/** How a resource is used: one holder, many readers, or a number of places. */
export type Mode = 'exclusive' | 'shared' | { readonly permits: number };

/** One request for one resource. The request's uuid is what its hold or its wait is known by. */
export interface Wanted {
  readonly request: string;
  readonly resource: string;
  readonly mode: Mode;
  readonly owner: string;
  readonly details: Details;
}

/** What people are told of a hold. */
export interface Details {
  readonly reason?: string | undefined;
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /** How long it is wanted, counted from `since`. None: as long as its process lives. */
  readonly ttlMs?: number | undefined;
  /**
   * Whose routines it is asked for in, from the innermost outwards; none where an owner was named. None of
   * them goes on while this waits: what one of them holds it would wait for for ever.
   */
  readonly within?: readonly string[] | undefined;
}

/** Who would wait for itself if it waited for one of these: its owner, and those that it asks within. */
export const askersOf = ({
  owner,
  details,
}: Pick<Wanted, 'owner' | 'details'>): readonly string[] => [owner, ...(details.within ?? [])];

export interface Grant {
  readonly token: bigint;
  /** Which place: 0 for an exclusive hold, 1 and more for the others. */
  readonly slot: number;
}

/** A hold or a wait as everybody can see it. */
export interface Standing {
  readonly resource: string;
  readonly mode: Mode;
  readonly request: string;
  readonly owner: string;
  /** By the database's clock, */
  readonly since: Date;
  /** and how long that is ago, by the same clock. */
  readonly forMs: number;
  readonly details: Details;
  /** The process that it belongs to: its lease's row, the token it works under, its label. */
  readonly process: number;
  readonly processToken: bigint;
  readonly label: string | undefined;
}

export interface Holding extends Standing, Grant {
  /**
   * Its process has said nothing for longer than its TTL, by the database's clock: it is dead, frozen or
   * cut off. The hold is over once somebody asks for it. For people: nothing is decided by it.
   */
  readonly isSilent: boolean;
}

/** A wait; they are served in the order of their numbers. */
export interface Waiting extends Standing {
  readonly number: bigint;
}

export type Answer =
  | ({ readonly is: 'granted' } & Grant)
  /** Overdue: the process of a holder has missed two beats. */
  | { readonly is: 'queued'; readonly holders: readonly Holding[]; readonly isOverdue: boolean }
  | { readonly is: 'busy'; readonly holders: readonly Holding[]; readonly isOverdue: boolean }
  /** The owner holds it already, or one that it asks within: their holds. */
  | { readonly is: 'holds'; readonly holders: readonly Holding[] }
  /** The owner waits for it already. */
  | { readonly is: 'waits'; readonly holders: readonly Holding[] }
  /** It is used in another way now. */
  | { readonly is: 'mismatch'; readonly usedAs: string; readonly holders: readonly Holding[] }
  /** The server has forgotten what was held, and waits until whoever held it has stopped. */
  | { readonly is: 'doubtful' };

/** A process's lease as it stands: silent for its TTL, on the reader's own clock, it is over. */
export interface Beat {
  readonly process: number;
  readonly token: bigint;
  readonly beat: number;
  readonly ttlMs: number;
  /** Which connection has read it: after another one it has to be watched anew. */
  readonly session: number;
  /** It may hold what the server has forgotten. */
  readonly isDoubted: boolean;
  /** By the server's clock it has missed the next two: worth a note. */
  readonly isOverdue: boolean;
}

/** Told by the server, in order. Whoever does not know the request's uuid cannot have made it up. */
export type HoldNotice =
  | ({ readonly is: 'granted'; readonly request: string } & Grant)
  /** Somebody asks for the hold to be given back. */
  | {
      readonly is: 'asked' | 'taken';
      readonly request: string;
      readonly by: string;
      readonly reason: string;
    };

export interface Queues {
  readonly holdings: readonly Holding[];
  readonly waitings: readonly Waiting[];
}

type ForcedBack = (
  resource: string,
  requests: readonly string[],
  by: string,
  reason: string,
) => Promise<readonly string[]>;

/**
 * What a manager needs of whatever keeps the holds. Each call is atomic. A call that rejects may have
 * had its effect: `leave` undoes it. The calls of one store are answered in order.
 */
export interface LockStore {
  /** Exclusive holds on what is free, all in one question: undefined where one has to ask. */
  take(under: bigint, wanted: readonly Wanted[]): Promise<readonly (bigint | undefined)[]>;
  /** As `leave`, for many at once: quick for exclusive holds that nobody waits for. */
  drop(holds: readonly Pick<Wanted, 'resource' | 'request'>[]): Promise<readonly boolean[]>;
  /** Any mode. What cannot be had is waited for in line, or else answered with who has it. */
  ask(under: bigint, wanted: Wanted, mayQueue: boolean): Promise<Answer>;
  /** Ends a hold or a wait, whichever the request has become. True where it was a hold. */
  leave(resource: string, request: string): Promise<boolean>;
  /** Replaces what people are told. False where the hold is lost. */
  describe(resource: string, request: string, details: Details): Promise<boolean>;
  /** The processes that stand before these resources, and those that may hold what was forgotten. */
  beats(resources: readonly string[]): Promise<readonly Beat[]>;
  /** Ends the lease of a process that has been silent for its TTL, if this still is its latest beat. */
  expire(silent: Beat): Promise<boolean>;
  /**
   * Whether somebody of this machine has seen this beat its TTL ago, by all clocks, those of whoever
   * asks being read after the beat; else it is noted. Left out where nobody dies alone.
   */
  readonly sight?: ((silent: Beat, machine: string, at: Instant) => Promise<boolean>) | undefined;
  /** Who holds and who waits: of these resources, or of all. */
  queues(resources?: readonly string[]): Promise<Queues>;
  /**
   * Where looking at everything is dear: of these resources, and of all that somebody waits for. That is
   * what a circle of waits consists of.
   */
  readonly lines?: ((resources: readonly string[]) => Promise<Queues>) | undefined;
  /** Asks for these holds of a resource, and answers which it has asked for. */
  askBack: ForcedBack;
  /** Takes these holds away, whatever their processes do. Answers which were there to be taken. */
  takeBack: ForcedBack;
  /** Of these holds, those that are not there any more: where a notice of it can be missed. */
  readonly gone?:
    | ((
        holds: readonly (Pick<Wanted, 'resource' | 'request'> & Pick<Grant, 'slot'>)[],
      ) => Promise<readonly string[]>)
    | undefined;
  /** Housekeeping, where there is any: rows that nobody has used for long. */
  readonly clearAway?: (() => Promise<void>) | undefined;
  /** So much of it as takes no time, and nothing where there is no connection. */
  readonly clearSome?: (() => Promise<void>) | undefined;
  close(): Promise<void>;
}
