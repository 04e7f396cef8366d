/** Whose service this may be, by what it shows of itself, and what to look at there. */
import pg from 'pg';
import { type Check, note, ok } from './finding.ts';

interface Service {
  readonly name: string;
  /** Of the address. */
  readonly host?: RegExp;
  /** Any of these is there. */
  readonly settings?: readonly string[];
  readonly roles?: readonly string[];
  readonly schemas?: readonly string[];
  readonly functions?: readonly string[];
  readonly look: string;
}

/** The narrower one first. Read in their documentation, not run. */
const services: readonly Service[] = [
  {
    name: 'Amazon RDS Proxy',
    host: /\.proxy-[^.]+\.[^.]+\.rds\.amazonaws\.com(\.cn)?$/i,
    look: 'Connect to the cluster or instance endpoint: the proxy pins sessions like lockd’s, and then saves no connections.',
  },
  {
    name: 'Amazon Aurora',
    host: /\.cluster-[^.]+\.[^.]+\.rds\.amazonaws\.com(\.cn)?$/i,
    functions: ['aurora_version'],
    look: 'Check that the address is the writer endpoint of the cluster (`.cluster-`, not `.cluster-ro-`).',
  },
  {
    name: 'Amazon RDS',
    host: /\.rds\.amazonaws\.com(\.cn)?$/i,
    settings: ['rds.extensions'],
    roles: ['rds_superuser'],
    look: 'Check that the address is the instance and no RDS Proxy, and whether a failover is Multi-AZ (synchronous) or a read replica’s promotion, which may lose the last takeover.',
  },
  {
    name: 'Google Cloud SQL or AlloyDB',
    settings: ['cloudsql.iam_authentication', 'alloydb.iam_authentication'],
    roles: ['cloudsqlsuperuser', 'alloydbsuperuser'],
    look: 'Check that no managed pool in transaction mode stands before it; its Auth Proxy is harmless.',
  },
  {
    name: 'Azure Database for PostgreSQL',
    host: /\.postgres(ql)?\.(database|cosmos)\.azure\.com$/i,
    settings: ['azure.extensions'],
    roles: ['azure_pg_admin'],
    look: 'Check the port: 6432 is its PgBouncer, by default in transaction mode; 5432 is the server.',
  },
  {
    name: 'Neon',
    host: /\.neon\.(tech|build)$/i,
    settings: ['neon.timeline_id'],
    roles: ['neon_superuser'],
    look: 'Take the host without `-pooler`. lockd asks every other second, so that the database never scales to zero.',
  },
  {
    name: 'Supabase',
    host: /\.supabase\.(co|com)$/i,
    roles: ['supabase_admin'],
    look: 'Take the direct address or the session pooler: its port 6543 is transaction mode.',
  },
  {
    name: 'Heroku Postgres',
    schemas: ['heroku_ext'],
    look: 'Take DATABASE_URL and not a pooled address (`DATABASE_CONNECTION_POOL_URL`), and check the connection limit of the plan.',
  },
];

interface Shown {
  readonly hosts: readonly string[];
  readonly settings: readonly string[];
  readonly roles: readonly string[];
  readonly schemas: readonly string[];
  readonly functions: readonly string[];
}

export function serviceOf(shown: Shown): Service | undefined {
  const isAny = (wanted: readonly string[] = [], there: readonly string[]): boolean =>
    wanted.some((one) => there.includes(one));
  return services.find(
    ({ host, settings, roles, schemas, functions }) =>
      shown.hosts.some((name) => host?.test(name)) ||
      isAny(settings, shown.settings) ||
      isAny(roles, shown.roles) ||
      isAny(schemas, shown.schemas) ||
      isAny(functions, shown.functions),
  );
}

const hosting: Check = {
  name: 'hosting',
  async look(visit) {
    const all = (key: 'settings' | 'roles' | 'schemas' | 'functions'): readonly string[] =>
      services.flatMap((service) => service[key] ?? []);
    const { rows } = await visit.ask(
      `select
         array_to_json(array(select s from unnest($1::text[]) s where current_setting(s, true) is not null)) as settings,
         array_to_json(array(select r from unnest($2::text[]) r where to_regrole(r) is not null)) as roles,
         array_to_json(array(select n from unnest($3::text[]) n where to_regnamespace(n) is not null)) as schemas,
         array_to_json(array(select f from unnest($4::text[]) f where to_regproc(f) is not null)) as functions`,
      [all('settings'), all('roles'), all('schemas'), all('functions')],
    );
    const hosts = visit.patient.hosts.all.map((config) => new pg.Client(config).host);
    const service = serviceOf({ ...rows[0], hosts });
    if (service === undefined) return ok('None of the managed services that are known here.');
    return note(`This looks like ${service.name}.`, service.look);
  },
};

export const hostingChecks: readonly Check[] = [hosting];
