import { isLockdError, LockdError, type LockdErrorCode, messageOf } from '../core/errors.ts';

interface Failure {
  readonly code: LockdErrorCode;
  readonly remedy: string;
  readonly isRetryable?: true;
}

const missingSchema: Failure = {
  code: 'LOCKD_SCHEMA_MISSING',
  remedy: 'Run `lockd migrate`, or start with `migrate: true`, and check `schema`.',
};
const refusedLogin: Failure = {
  code: 'LOCKD_CONNECTION',
  remedy: 'Check user, password and database, and what pg_hba.conf allows.',
};

/** What a SQLSTATE means to lockd. Everything else is a connection that may be tried again. */
const failures: Readonly<Record<string, Failure>> = {
  '3F000': missingSchema,
  '42P01': missingSchema,
  '42883': missingSchema,
  '42501': {
    code: 'LOCKD_PRIVILEGE',
    remedy:
      'Grant the role usage of the schema, and what RUNBOOK.md lists for its tables and functions.',
  },
  '25006': {
    code: 'LOCKD_REPLICA',
    remedy: 'Connect to the primary, or make the database writable.',
    isRetryable: true,
  },
  '28000': refusedLogin,
  '28P01': refusedLogin,
  '3D000': refusedLogin,
  '57P03': {
    code: 'LOCKD_UNAVAILABLE',
    remedy: 'The server lets nobody in now; lockd keeps trying.',
    isRetryable: true,
  },
  // In `lockd.fence`: somebody took over after the transaction's snapshot, be it this very instance,
  // or it collides with another transaction. The old snapshot cannot tell; a new one can.
  '40001': {
    code: 'LOCKD_SERIALIZATION',
    remedy: 'Roll back and begin again: only a new transaction sees whether the token is stale.',
    isRetryable: true,
  },
  LKD01: { code: 'LOCKD_STALE_TOKEN', remedy: 'Roll back: another instance leads.' },
  LKD02: { code: 'LOCKD_UNKNOWN_NAME', remedy: 'Check the name, the database and the schema.' },
};

export function asLockdError(error: unknown): LockdError {
  if (isLockdError(error)) return error;
  const failure = failures[sqlStateOf(error) ?? ''];
  if (failure === undefined) {
    return new LockdError('LOCKD_CONNECTION', messageOf(error), {
      cause: error,
      isRetryable: true,
    });
  }
  return new LockdError(failure.code, `${messageOf(error)}. ${failure.remedy}`, {
    cause: error,
    isRetryable: failure.isRetryable ?? false,
  });
}

export function sqlStateOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
