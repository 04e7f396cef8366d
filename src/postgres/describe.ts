import pg from 'pg';
import { LockdError } from '../core/errors.ts';
import { type DatabaseOptions, settleDatabase } from './connection.ts';

/**
 * Where these options lead to, for people, without the password: as `pg` itself reads them, so that
 * a variable that fills a gap shows. Nothing is connected.
 */
export function describeDatabase(options: DatabaseOptions = {}): string {
  const { config } = settleDatabase(options);
  const { user, host, port, database } = read(config);
  // A socket's host is a folder.
  const place = host.startsWith('/') ? `${host}, port ${port}` : `${host}:${port}`;
  return `database ${JSON.stringify(database)} of user ${JSON.stringify(user)} at ${place}`;
}

/** An address that cannot be read is never repeated: it may hold a password. */
function read(config: pg.ClientConfig): pg.Client {
  const { connectionString } = config;
  if (
    connectionString !== undefined &&
    !/^(postgres(ql)?:\/\/|socket:|\/)/i.test(connectionString)
  ) {
    throw unreadable('does not begin with postgres://');
  }
  try {
    return new pg.Client(config);
  } catch (error) {
    throw unreadable((error as NodeJS.ErrnoException).code ?? 'it cannot be read');
  }
}

const unreadable = (why: string): LockdError =>
  new LockdError(
    'LOCKD_INVALID_OPTION',
    `Expected a database address such as postgres://user:password@host:5432/database: this one ${why}. Special characters in the password are percent-encoded.`,
  );
