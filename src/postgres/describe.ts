import pg from 'pg';
import { type DatabaseOptions, settleDatabase } from './connection.ts';

/**
 * Where these options lead to, for people, without the password: as `pg` itself reads them, so that
 * a variable that fills a gap shows. Nothing is connected.
 */
export function describeDatabase(options: DatabaseOptions = {}): string {
  const { all } = settleDatabase(options).hosts;
  const clients = all.map((config) => new pg.Client(config));
  const [{ user, database }] = clients as [pg.Client];
  const places = clients.map(placeOf).join(' or ');
  return `database ${JSON.stringify(database)} of user ${JSON.stringify(user)} at ${places}`;
}

/** A socket's host is a folder. */
const placeOf = ({ host, port }: pg.Client): string =>
  host.startsWith('/') ? `${host}, port ${port}` : `${host}:${port}`;
