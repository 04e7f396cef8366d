/** What lockd keeps in the database, and whether this role may use it. */
import { isLockdError } from '../../core/errors.ts';
import { checkSchema } from '../checks.ts';
import { writes } from '../grants.ts';
import { shippedMigrations } from '../migrations.ts';
import { apart, type Check, note, ok, problem, shellWord, warning } from './finding.ts';
import type { Visit } from './visit.ts';

/** Without the quotes: a schema of lockd has nothing in it that needs them. */
const nameOf = ({ patient }: Visit): string => patient.options.schema ?? 'lockd';

const schema: Check = {
  name: 'schema',
  async look(visit) {
    try {
      await visit.undone((session) => checkSchema(session, visit.patient.schema));
    } catch (error) {
      const isMissing = isLockdError(error) && error.code === 'LOCKD_SCHEMA_MISSING';
      if (!isMissing || (await mayMigrate(visit))) throw error;
      return problem(
        `${apart(error).what} This role may not make it.`,
        'Run `lockd migrate` as the owner of the database or of the schema, or give them what `lockd migrate --print` prints.',
      );
    }
    return ok(`${nameOf(visit)} is at version ${shippedMigrations.length}, as this lockd.`);
  },
};

async function mayMigrate(visit: Visit): Promise<boolean> {
  const { rows } = await visit.ask(
    `select coalesce(
       (select pg_has_role(n.nspowner, 'usage') from pg_namespace n where n.nspname = $1),
       has_database_privilege(current_database(), 'create')) as may`,
    [nameOf(visit)],
  );
  return rows[0].may;
}

/** What `lockd migrate --print-grants` grants. */
const lacking = `
select 'usage on the schema' as what from pg_namespace n
where n.nspname = $1 and not has_schema_privilege(n.oid, 'usage')
union all
select 'execute on ' || p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname = $1 and not has_function_privilege(p.oid, 'execute')
union all
select 'usage on ' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and case when c.relkind = 'S' then not has_sequence_privilege(c.oid, 'usage') end
union all
select w.needed || ' on ' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
join (select 'select' as needed, null as name
      union all select * from unnest($2::text[], $3::text[])) w on coalesce(w.name, c.relname) = c.relname
where n.nspname = $1 and c.relkind in ('r', 'v') and not has_table_privilege(c.oid, w.needed)`;

const written = writes.flatMap(([rights, tables]) =>
  rights.flatMap((right) => tables.map((table) => ({ right, table }))),
);

const mostNamed = 3;

const privileges: Check = {
  name: 'privileges',
  async look(visit) {
    const name = nameOf(visit);
    const { rows: here } = await visit.ask(
      `select current_user as role, exists (select from pg_namespace where nspname = $1) as is_there`,
      [name],
    );
    const { role, is_there: isThere } = here[0];
    if (!isThere) {
      return note(
        `There is nothing in schema ${name} to look at yet.`,
        'Run `lockd doctor` again after `lockd migrate`.',
      );
    }
    const { rows } = await visit.ask(lacking, [
      name,
      written.map(({ right }) => right),
      written.map(({ table }) => table),
    ]);
    if (rows.length === 0) return ok(`Role ${role} may do all that an instance does.`);
    const named = rows
      .slice(0, mostNamed)
      .map(({ what }) => what)
      .join(', ');
    const more = rows.length > mostNamed ? ` and ${rows.length - mostNamed} more` : '';
    return problem(
      `Role ${role} lacks ${named}${more}.`,
      `As the owner of the schema: lockd migrate --print-grants ${shellWord(role)} | psql`,
    );
  },
};

/** Above this the server itself warns in its log. */
const fullShare = 0.5;

const notices: Check = {
  name: 'notices',
  async look(visit) {
    const share = await visit.undone(async (session) => {
      await session.bounded('listen lockd_doctor');
      const { rows } = await session.bounded('select pg_notification_queue_usage() as share');
      return rows[0].share;
    });
    if (share < fullShare) return ok(`LISTEN is allowed, and the queue of notices has room.`);
    return warning(
      `The queue of notices is ${Math.round(share * 100)} % full; when it is, nobody can be asked to resign.`,
      'End the session that does not read them: one that listens and is idle in a transaction. The server’s log names it.',
    );
  },
};

export const schemaChecks: readonly Check[] = [schema, privileges, notices];
