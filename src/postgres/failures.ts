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
/** May be put right while lockd keeps trying; it never goes on without TLS. */
const unknownAuthority: Failure = {
  code: 'LOCKD_CONNECTION',
  remedy:
    "Name the authority that signed the server's certificate: `sslrootcert=…` in the address, or `connection.ssl.ca`.",
  isRetryable: true,
};
const refusedLogin: Failure = {
  code: 'LOCKD_CONNECTION',
  remedy: 'Check user, password and database, and what pg_hba.conf allows.',
};

/** At the login, where only the address and its like ask for settings. */
const refusedSetting: Failure = {
  code: 'LOCKD_INVALID_OPTION',
  remedy:
    'Check the settings that the connection asks for: `options`, in the address or in `connection`, PGOPTIONS, and `client_encoding`.',
};
const foreignTables: Failure = {
  code: 'LOCKD_INVALID_OPTION',
  remedy:
    'The schema holds tables or functions of somebody else by our names. Give lockd a schema of its own: `schema`, or `--schema`.',
};
const unknownHost: Failure = {
  code: 'LOCKD_CONNECTION',
  remedy: 'Check the name of the host, and that it resolves here.',
  isRetryable: true,
};

/** What a SQLSTATE, or Node's code, means to lockd. All else is a connection that may be tried again. */
const failures: Readonly<Record<string, Failure>> = {
  '3F000': missingSchema,
  '42P01': missingSchema,
  '42883': missingSchema,
  '42703': foreignTables,
  '42723': foreignTables,
  '42P07': foreignTables,
  '42501': {
    code: 'LOCKD_PRIVILEGE',
    remedy: 'Grant the role what `lockd migrate --print-grants ROLE` prints; RUNBOOK.md says more.',
  },
  '25006': {
    code: 'LOCKD_REPLICA',
    remedy: 'Connect to the primary, or make the database writable.',
    isRetryable: true,
  },
  '28000': refusedLogin,
  '28P01': refusedLogin,
  '3D000': refusedLogin,
  // Not the same as the next one: who has a session keeps it, and who has none makes room for others.
  '53300': {
    code: 'LOCKD_UNAVAILABLE',
    remedy: 'Raise `max_connections`, or the limit of the role or database; lockd keeps trying.',
    isRetryable: true,
  },
  '57P03': {
    code: 'LOCKD_UNAVAILABLE',
    remedy: 'The server lets nobody in now; lockd keeps trying.',
    isRetryable: true,
  },
  '57014': {
    code: 'LOCKD_CONNECTION',
    remedy:
      'Look for a `statement_timeout` that cuts our statements short, or for who cancels them.',
    isRetryable: true,
  },
  ECONNREFUSED: {
    code: 'LOCKD_CONNECTION',
    remedy: 'Check host and port, and that the server is up.',
    isRetryable: true,
  },
  ENOTFOUND: unknownHost,
  EAI_AGAIN: unknownHost,
  // In `lockd.fence`: somebody took over after the transaction's snapshot, be it this very instance,
  // or it collides with another transaction. The old snapshot cannot tell; a new one can.
  '40001': {
    code: 'LOCKD_SERIALIZATION',
    remedy: 'Roll back and begin again: only a new transaction sees whether the token is stale.',
    isRetryable: true,
  },
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
  CERT_HAS_EXPIRED: {
    code: 'LOCKD_CONNECTION',
    remedy: "Renew the server's certificate and reload the server; lockd keeps trying.",
    isRetryable: true,
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    code: 'LOCKD_CONNECTION',
    remedy:
      "Connect by a name that stands in the server's certificate, or have it issued for this one.",
    isRetryable: true,
  },
  LKD01: { code: 'LOCKD_STALE_TOKEN', remedy: 'Roll back: the term, or the hold, is over.' },
  LKD02: { code: 'LOCKD_UNKNOWN_NAME', remedy: 'Check the name, the database and the schema.' },
};

const loginFailures: typeof failures = {
  '22023': refusedSetting, // not this value
  '42601': refusedSetting, // no setting at all
  '42704': refusedSetting, // no such setting
  '55P02': refusedSetting, // only at the start of the server
};

/** What is told by its message alone: pg's own words, which have no code, and PgBouncer's. */
const messages = new Map<string, Failure>([
  [
    'SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string',
    {
      code: 'LOCKD_CONNECTION',
      remedy: 'Give a password: in the address, as `connection.password`, or in PGPASSWORD.',
    },
  ],
  [
    'The server does not support SSL connections',
    {
      code: 'LOCKD_CONNECTION',
      remedy: 'Set `ssl = on` there, or ask for no TLS if the way to the server is safe without.',
      isRetryable: true,
    },
  ],
  [
    'transaction blocks not allowed in statement pooling mode',
    {
      code: 'LOCKD_POOLER',
      remedy: 'Connect to PostgreSQL directly, or use a pool in session mode for lockd.',
    },
  ],
]);

/** Of a connection that is being made: what its settings are refused with means something else later. */
export const asLoginError = (error: unknown): LockdError =>
  asLockdError(error, { ...failures, ...loginFailures });

export function asLockdError(error: unknown, known: typeof failures = failures): LockdError {
  if (isLockdError(error)) return error;
  const failure = messages.get(messageOf(error)) ?? known[sqlStateOf(error) ?? ''];
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

export const replica = (): LockdError =>
  new LockdError(
    'LOCKD_REPLICA',
    'This server is a replica: it grants advisory locks and cannot keep a lease. Connect to the primary.',
  );

export function sqlStateOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
