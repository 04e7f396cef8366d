import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'vitest';
import { query } from '../support/database.ts';
import { leakCheckOfFile } from '../support/leaks-of-file.ts';
import { TestProcess } from '../support/processes.ts';
import { until } from '../support/wait.ts';
import { openWorkshop } from '../support/workshop.ts';

leakCheckOfFile();

const hasScript = spawnSync('script', ['--version']).status === 0;
const cli = fileURLToPath(new URL('../../bin/lockd.js', import.meta.url));
const ctrl = { s: '\x13', q: '\x11' };

test.skipIf(!hasScript)(
  'a terminal stopped with Ctrl-S does not stop who writes to it: the work goes on',
  async () => {
    await using shop = await openWorkshop(2_000);
    const flags = ['--ttl', '2s', '--database-url', shop.url];
    const run = [process.execPath, cli, 'run', shop.name, ...flags, '--', ...shop.command];
    await using terminal = new TestProcess('script', ['-qec', run.join(' '), '/dev/null'], {
      env: shop.environment('terminal'),
    });
    const { token } = await shop.claimed({ kind: 'claim' });
    terminal.write(ctrl.s);
    // A loss has much to say before the command has ended and the next term has begun.
    await query(
      shop.url,
      `select pg_terminate_backend(pid) from pg_stat_activity
     where application_name like 'lockd:%' and datname = current_database()`,
    );
    await until(() => shop.claims({ kind: 'claim' }).some((claim) => claim.token !== token), {
      describe: 'its command runs in a next term',
    });
    terminal.write(ctrl.q);
    terminal.signal('SIGTERM');
    await terminal.exited;
  },
);
