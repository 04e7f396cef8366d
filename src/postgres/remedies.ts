/**
 * The commands that mend what the status finds, for a shell whose DATABASE_URL is the one of the
 * instances. Names, labels and hosts are anybody's text: nothing of them is run.
 */
import pg from 'pg';
import type { Picture } from './picture.ts';

type Led = Pick<Picture, 'name' | 'schema'>;

/** Where nothing has to be done: it shows how the fault passes. */
export const watch = (led: Led): string => lockd('watch', led);

/** Of another schema: which host and process to stop. */
export const statusIn = ({ name }: Led, schema: string): string =>
  lockd('status', { name, schema });

/** In the place of COMMAND stands what only the deploy knows. */
export const start = (led: Led): string => `${lockd('run', led)} -- COMMAND`;

export const terminate = (backend: number): string =>
  sql(`select pg_terminate_backend(${backend})`);

/** Only who still holds the takeover up: a process id may be somebody else's by now. */
export const endBlockers = ({ schema }: Led, seat: number): string =>
  sql(`select ${identifier(schema)}.end_blockers(${seat})`);

export const rollBack = (gid: string): string => sql(`rollback prepared ${pg.escapeLiteral(gid)}`);

export const wake = (pid: number, host: string): string => `kill -CONT ${pid}${on(host)}`;

export const setClock = (host: string): string => `timedatectl set-ntp true${on(host)}`;

export const showStandbys = (): string =>
  sql('select application_name, state, sync_state from pg_stat_replication');

export const makeRoom = (what: { of: string; name: string | undefined; bound: number }): string => {
  const { of, name, bound } = what;
  const more = Math.max(20, bound * 2);
  if (name === undefined) {
    return `${sql(`alter system set max_connections = ${more}`)} # and restart the server`;
  }
  return sql(`alter ${of} ${identifier(name)} connection limit ${more}`);
};

function lockd(verb: string, { name, schema }: Led): string {
  const flag = schema === 'lockd' ? '' : ` --schema ${word(schema)}`;
  const dashes = name.startsWith('-') ? '-- ' : '';
  return `lockd ${verb}${flag} ${dashes}${word(name)}`;
}

const sql = (text: string): string => `psql "$DATABASE_URL" -c ${word(text)}`;

const identifier = (name: string): string => (name === 'lockd' ? name : pg.escapeIdentifier(name));

/** As one word of a shell. */
const word = (text: string): string =>
  /^[\w.:/@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

/** As a comment, which a line feed would end. */
const on = (host: string): string => (/^[\w.-]{1,253}$/.test(host) ? ` # on ${host}` : '');
