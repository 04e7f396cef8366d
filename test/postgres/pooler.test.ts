import { expect, test } from 'vitest';
import { settleOptions } from '../../src/core/options.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { postgresStore } from '../../src/postgres/store.ts';
import { createDatabase, query } from '../support/database.ts';
import { sharedBackend } from './shared-backend.ts';

/** What one client of a pooler may have left set for the next. */
const settings = (url: string) =>
  query(
    url,
    `select name, setting from pg_settings
     where source = 'session' and name not in ('application_name', 'client_encoding')`,
  );

test('a migration through a transaction pooler sets nothing for whoever has the backend next', async () => {
  await using database = await createDatabase();
  await using pooler = await sharedBackend(database.url);
  const before = await settings(pooler.url);
  const { applied } = await migrate({ connectionString: pooler.url });
  expect(applied.length).toBeGreaterThan(0);
  expect(await settings(pooler.url)).toEqual(before);
  const path = 'show search_path';
  expect(await query(pooler.url, path)).toEqual(await query(database.url, path));
});

test('a session behind a transaction pooler is refused, with what to do', async () => {
  await using database = await createDatabase();
  await migrate({ connectionString: database.url });
  await using pooler = await sharedBackend(database.url);
  await query(pooler.url, 'select');
  const store = postgresStore({ connectionString: pooler.url });
  const { candidate } = settleOptions({ name: 'bot' });
  const { signal } = new AbortController();
  const options = { hooks: { lost: () => {} }, signal, timeoutMs: 5_000 };
  await expect(store.openSeat(candidate, options)).rejects.toMatchObject({
    code: 'LOCKD_POOLER',
    isRetryable: false,
    message: expect.stringContaining('directly'),
  });
  expect(await query(database.url, 'select name from lockd.lock')).toEqual([]);
});
