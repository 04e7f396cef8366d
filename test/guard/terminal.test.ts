import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { query } from '../support/database.ts';
import { TestProcess } from '../support/processes.ts';
import { until } from '../support/wait.ts';
import { openWorkshop, type Workshop } from '../support/workshop.ts';

const hasScript = spawnSync('script', ['--version']).status === 0;
const cli = fileURLToPath(new URL('../../bin/lockd.js', import.meta.url));
const ctrl = { s: '\x13', q: '\x11' };

/** `lockd run` in a terminal of its own, below a shell that stays or becomes it. */
function inTerminal(shop: Workshop, label: string, shell: 'stays' | 'becomes it'): TestProcess {
  const flags = ['--ttl', '2s', '--label', label, '--database-url', shop.url];
  const words = [process.execPath, cli, 'run', shop.name, ...flags, '--', ...shop.command];
  const line = shell === 'stays' ? `${words.join(' ')}; exit` : `exec ${words.join(' ')}`;
  return new TestProcess('script', ['-qec', line, '/dev/null'], { env: shop.environment(label) });
}

test.skipIf(!hasScript)(
  'a terminal stopped with Ctrl-S does not stop who writes to it: the work goes on',
  async () => {
    await using shop = await openWorkshop(2_000);
    await using terminal = inTerminal(shop, 'terminal', 'becomes it');
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

test.skipIf(!hasScript)(
  'a terminal that is closed ends who leads and who waits, and the lease is released',
  async () => {
    await using shop = await openWorkshop(10_000);
    await using leader = inTerminal(shop, 'leader', 'stays');
    await shop.claimed({ kind: 'claim' });
    await using standby = inTerminal(shop, 'standby', 'stays');
    await standby.line(/observed a leader/);
    // The shell ends at once, and the kernel hangs up on whoever is left.
    standby.signal('SIGTERM');
    await standby.exited;
    leader.signal('SIGTERM');
    await leader.exited;
    await shop.claimed({ kind: 'SIGHUP' });
    await until(async () => (await shop.alive()).length === 0, { describe: 'nobody is left' });
    expect(await shop.terms()).toMatchObject([{ ended_by: 'release', reason: 'stopped' }]);
  },
);

test.skipIf(!existsSync('/dev/full'))(
  'a log that cannot be written costs lines, not the lease',
  async () => {
    await using shop = await openWorkshop(2_000);
    const flags = ['--ttl', '2s', '--database-url', shop.url];
    const words = [process.execPath, cli, 'run', shop.name, ...flags, '--', ...shop.command];
    await using full = new TestProcess('sh', ['-c', `exec ${words.join(' ')} 2> /dev/full`], {
      env: shop.environment('full'),
    });
    await shop.claimed({ kind: 'claim' });
    await shop.beats(5);
    full.signal('SIGTERM');
    expect(await full.exited).toMatchObject({ code: 0 });
    expect(await shop.terms()).toMatchObject([{ ended_by: 'release', reason: 'stopped' }]);
  },
);

test.skipIf(!existsSync('/dev/full'))(
  'a log that cannot be written holds up no exit, and the code is the command’s',
  async () => {
    await using shop = await openWorkshop(2_000);
    const words = [process.execPath, cli, 'run', shop.name, '--database-url', shop.url];
    const line = `exec ${words.join(' ')} -- sh -c 'exit 3' 2> /dev/full`;
    await using full = new TestProcess('sh', ['-c', line], { env: shop.environment('full') });
    expect(await full.exited).toMatchObject({ code: 3 });
    await until(async () => (await shop.alive()).length === 0, { describe: 'nobody is left' });
  },
);

test('a log into a socket that nobody reads, as of a journal, holds up no exit', async () => {
  await using shop = await openWorkshop(2_000);
  const command = ['sh', '-c', 'sleep 0.5; exit 3'];
  const words = [process.execPath, cli, 'run', shop.name, '--ttl', '2s', '--', ...command];
  const run = spawn('sh', ['-c', '"$0" -e "$FILL"; exec "$0" "$@"', ...words], {
    env: { ...process.env, ...shop.environment('full'), DATABASE_URL: shop.url, FILL: fill },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  try {
    expect(await once(run, 'exit')).toEqual([3, null]);
    await until(async () => (await shop.alive()).length === 0, { describe: 'nobody is left' });
  } finally {
    run.stderr.destroy();
  }
});

/** Writes until there is no room, and is none a moment later: Node takes a little unasked. */
const fill = `
  process.stderr; // no write waits from here on
  const moment = new Int32Array(new SharedArrayBuffer(4));
  for (let refused = 0; refused < 10; ) {
    try {
      fs.writeSync(2, 'x'.repeat(100));
      refused = 0;
    } catch {
      refused += 1;
      Atomics.wait(moment, 0, 0, 20);
    }
  }`;
