/** The role that initdb makes, and that everything here connects as. */
export const superuser = 'postgres';

/** PostgreSQL names a socket after a port even where it listens on none. */
export function socketPath(folder: string, port: number): string {
  return `${folder}/.s.PGSQL.${port}`;
}

export function tcpUrl(port: number, database: string): string {
  return `postgresql://${superuser}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
}

/** `localhost` is there for parsers that insist on a host; drivers obey the parameter. */
export function socketUrl(folder: string, port: number, database: string): string {
  const host = encodeURIComponent(folder);
  return `postgresql://${superuser}@localhost:${port}/${encodeURIComponent(database)}?host=${host}`;
}
