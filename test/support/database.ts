import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';

export interface TestDatabase extends AsyncDisposable {
  readonly url: string;
  readonly name: string;
}

/** A database of its own for one test, on the provided server or on a cluster of the test's own. */
export async function createDatabase(
  serverUrl: string = inject('databaseUrl'),
): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await query(serverUrl, `CREATE DATABASE ${name}`);
  let dropped: Promise<unknown> | undefined;
  return {
    name,
    url: withDatabase(serverUrl, name),
    async [Symbol.asyncDispose]() {
      dropped ??= query(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      await dropped;
    },
  };
}

/** One statement on a connection of its own. */
export async function query<Row extends pg.QueryResultRow = Record<string, unknown>>(
  url: string,
  sql: string,
  params: readonly unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    query_timeout: 20_000,
    application_name: 'test',
  });
  // A session that a test kills would otherwise take the whole test process with it.
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Row>(sql, [...params])).rows;
  } finally {
    await client.end();
  }
}

/** The same server, another database. */
export function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}
