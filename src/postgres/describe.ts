import pg from 'pg';
import { type DatabaseOptions, settleDatabase, unreadable } from './connection.ts';

/**
 * Where these options lead to, for people, without the password: as `pg` itself reads them, so that
 * a variable that fills a gap shows. Nothing is connected.
 */
export function describeDatabase(options: DatabaseOptions = {}): string {
  const { config } = settleDatabase(options);
  const { connectionString } = config;
  if (
    connectionString !== undefined &&
    !/^(postgres(ql)?:\/\/|socket:|\/)/i.test(connectionString)
  ) {
    throw unreadable('does not begin with postgres://');
  }
  const { user, host, port, database } = new pg.Client(config);
  // A socket's host is a folder.
  const place = host.startsWith('/') ? `${host}, port ${port}` : `${host}:${port}`;
  return `database ${JSON.stringify(database)} of user ${JSON.stringify(user)} at ${place}`;
}
