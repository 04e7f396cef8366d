import { expect, test } from 'vitest';
import { ExitCode } from '../../src/cli/exit-codes.ts';
import { migrate } from '../../src/index.ts';
import { grantScript } from '../../src/postgres/grants.ts';
import { lockd } from '../support/cli.ts';
import { createDatabase, query } from '../support/database.ts';

// What the supervisor alone is refused: the guard registers, and so has nothing to say.
test('`lockd run` whose supervisor is refused says why in a line of the log, with its code', async () => {
  await using database = await createDatabase();
  await migrate({ connectionString: database.url });
  await query(database.url, 'drop routine lockd.succeed');
  await refuses(database.url, 'LOCKD_SCHEMA_MISSING', 'lockd migrate');
});

test('so it does for a role that may register and not lead', async () => {
  await using database = await createDatabase();
  await migrate({ connectionString: database.url });
  const role = `role_${database.name}`;
  await query(database.url, `create role ${role} login password 'secret'; ${grantScript(role)}`);
  try {
    await query(database.url, `revoke update on lockd.fence from ${role}`);
    const url = Object.assign(new URL(database.url), { username: role, password: 'secret' });
    await refuses(url.href, 'LOCKD_PRIVILEGE', 'lockd migrate --print-grants');
  } finally {
    await query(database.url, `drop owned by ${role}; drop role ${role}`);
  }
});

async function refuses(url: string, code: string, remedy: string): Promise<void> {
  const run = await lockd(['run', 'led', '--', 'sleep', '60'], { DATABASE_URL: url });
  const lines = run.stderr.split('\n').map((line) => JSON.parse(line));
  const reason = expect.stringContaining(remedy);
  expect(lines.filter(({ level }) => level === 'error')).toMatchObject([
    { msg: 'could not lead', process: 'supervisor', code, reason },
  ]);
  expect(run.code).toBe(ExitCode.unavailable);
}
