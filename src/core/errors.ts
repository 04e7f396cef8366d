/** Stable names of everything that can go wrong; match on these, not on messages or classes. */
export type LockdErrorCode =
  | 'LOCKD_INVALID_OPTION' // an option, a name or a relation between options does not fit
  | 'LOCKD_STOPPED' // the controller was stopped while something waited for it
  | 'LOCKD_SELF_WAIT' // work waits for the term after its own, which waits for that work
  | 'LOCKD_SCHEMA_MISSING' // the tables are not there: migrate first
  | 'LOCKD_SCHEMA_NEWER' // the schema belongs to a newer lockd
  | 'LOCKD_SCHEMA_EDITED' // an applied migration differs from the shipped one
  | 'LOCKD_POOLER' // transaction pooling: session locks belong to nobody
  | 'LOCKD_REPLICA' // the server is a replica: it grants advisory locks and cannot write
  | 'LOCKD_SERVER' // not PostgreSQL 14 or later, or its advisory locks are stubs
  | 'LOCKD_PRIVILEGE' // the role may not do what the protocol needs
  | 'LOCKD_OCCUPIED' // this backend already holds the seat for somebody else
  | 'LOCKD_CONNECTION' // no connection, or it broke
  | 'LOCKD_UNAVAILABLE' // the server is starting up, shutting down, or has no connection left
  | 'LOCKD_TIMEOUT' // no answer in time; the connection was destroyed
  | 'LOCKD_UNCERTAIN' // the server answered with a warning where only a clean yes counts
  | 'LOCKD_LOST' // a term ended: the reason an aborted `term.signal` carries
  | 'LOCKD_STALE_TOKEN' // a fenced transaction carries an old token
  | 'LOCKD_SERIALIZATION' // a fenced transaction has to begin again: it cannot tell whether it is stale
  | 'LOCKD_NO_TRANSACTION' // a fence outside a transaction: it would protect nothing
  | 'LOCKD_UNKNOWN_NAME' // nobody has ever led this name here
  | 'LOCKD_DRAIN_OVERRUN' // work in flight goes on after its abort; the seat is kept
  | 'LOCKD_FENCE_BLOCKED' // fenced transactions hold up a takeover; `cause` names their backends
  | 'LOCKD_BUSY' // somebody else holds the resource, and it was not waited for, or not for long enough
  | 'LOCKD_ALREADY_HELD' // the same owner holds the resource, or waits for it; or a routine around it holds it
  | 'LOCKD_MODE_MISMATCH' // the resource is used with another number of permits, or without
  | 'LOCKD_DEADLOCK' // this wait closes a circle of owners that wait for each other
  | 'LOCKD_HOLD_LOST' // a hold has ended with the lease of its process, or was taken away
  | 'LOCKD_HOLD_EXPIRED' // the time of a hold is up
  | 'LOCKD_HOLD_ASKED' // somebody asks for a hold to be given back, and takes it soon
  | 'LOCKD_GUARD'; // the guard process could not be started

const brand = Symbol.for('lockd.error');

/** The one error class. `code` is stable; `message` says what, with which value, and what to do. */
export class LockdError extends Error {
  readonly code: LockdErrorCode;
  /** True where trying again later can help, without anybody changing anything here. */
  readonly isRetryable: boolean;

  constructor(
    code: LockdErrorCode,
    message: string,
    options: { cause?: unknown; isRetryable?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'LockdError';
    this.code = code;
    this.isRetryable = options.isRetryable ?? false;
    Object.defineProperty(this, brand, { value: true });
  }
}

/** True for a LockdError of any copy of this package that is loaded. */
export const isLockdError = (value: unknown): value is LockdError =>
  typeof value === 'object' && value !== null && brand in value;

/** In words, whatever was thrown. Some errors of Node say nothing and hold several that do. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.message !== '') return error.message;
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error.cause === undefined ? error.name : messageOf(error.cause);
}
