import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ExitCode } from '../../src/cli/exit-codes.ts';
import { built } from '../support/built.ts';
import { TestProcess } from '../support/processes.ts';
import { until } from '../support/wait.ts';
import { openWorkshop } from '../support/workshop.ts';

const cli = fileURLToPath(new URL('../../bin/lockd.js', import.meta.url));

/** Logs five lines, and dies of an exception before the second one is on its way. */
const dying = `
  import { createLog } from ${JSON.stringify(built('cli/log.js').href)};
  const log = createLog({ level: 'info' });
  for (let n = 0; n < 5; n += 1) log.info({ n }, 'counted');
  throw new Error('a bug');`;

const dies = (redirection: string): { status: number | null; stderr: string } =>
  spawnSync(
    'sh',
    ['-c', `exec "$0" --input-type=module -e "$1" ${redirection}`, process.execPath, dying],
    {
      encoding: 'utf8',
      timeout: 20_000,
    },
  );

test('what was logged before a process dies of an exception is written', () => {
  const { status, stderr } = dies('');
  expect(status).toBe(1);
  const lines = stderr.split('\n').filter((line) => line.startsWith('{'));
  expect(lines.map((line) => JSON.parse(line).n).sort()).toEqual([0, 1, 2, 3, 4]);
  expect(stderr).toContain('Error: a bug');
});

// Skipped where there is no /dev/full, as outside Linux: nothing else is full for sure.
test.skipIf(!existsSync('/dev/full'))('on a full disk it dies all the same', () => {
  expect(dies('2> /dev/full')).toMatchObject({ status: 1 });
});

test.skipIf(!existsSync('/dev/full'))(
  '`lockd run` that dies of an exception on a full disk says 70, and its command ends',
  async () => {
    await using shop = await openWorkshop(2_000);
    const bug = join(shop.folder, 'bug.mjs');
    await writeFile(bug, inGuardOnly);
    const words = [process.execPath, `--import=${bug}`, cli, 'run', shop.name];
    const line = [...words, '--database-url', shop.url, '--', ...shop.command].join(' ');
    await using full = new TestProcess('sh', ['-c', `exec ${line} 2> /dev/full`], {
      env: shop.environment('full'),
    });
    await shop.claimed({ kind: 'claim' });
    await writeFile(`${bug}.now`, '');
    expect(await full.exited).toEqual({ code: ExitCode.internal, signal: null });
    await until(async () => (await shop.alive()).length === 0, { describe: 'nobody is left' });
  },
);

/** The supervisor is given the same flags. */
const inGuardOnly = `
  import { existsSync } from 'node:fs';
  const look = () => {
    if (existsSync(new URL(import.meta.url).pathname + '.now')) throw new Error('a bug');
  };
  if (process.argv[2] === 'run') setInterval(look, 20).unref();`;
