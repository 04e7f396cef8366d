import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, existsSync, openSync, writeSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ExitCode } from '../../src/cli/exit-codes.ts';
import { built } from '../support/built.ts';
import { TestProcess } from '../support/processes.ts';
import { until } from '../support/wait.ts';
import { openWorkshop, type Workshop } from '../support/workshop.ts';

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

describe.skipIf(process.platform !== 'linux')('a log that nobody reads holds up no end:', () => {
  /** `lockd run` whose first line finds its pipe full. */
  const intoFull = (shop: Workshop, log: string, command = shop.command, url = shop.url) => {
    const words = [cli, 'run', shop.name, '--ttl', '2s', '--database-url', url, '--', ...command];
    const line = ['exec "$0" "$@" 2> "$LOG"', process.execPath, ...words];
    return new TestProcess('sh', ['-c', ...line], {
      env: { ...shop.environment('full'), LOG: log },
    });
  };

  test('that of a command', async () => {
    await using shop = await openWorkshop(2_000);
    using log = fullPipe(join(shop.folder, 'log'));
    await using run = intoFull(shop, log.path, ['sh', '-c', 'exit 3']);
    expect(await run.exited).toMatchObject({ code: 3 });
  });

  test('that of who was told to stop while the database is away', async () => {
    // Long enough that a supervisor that a busy machine holds up is not taken for silent.
    await using shop = await openWorkshop(10_000);
    using log = fullPipe(join(shop.folder, 'log'));
    await using away = await refusing();
    await using run = intoFull(shop, log.path, shop.command, away.url);
    await until(() => away.refused() > 5, { describe: 'guard and supervisor have complained' });
    run.signal('SIGTERM');
    expect(await run.exited).toMatchObject({ code: ExitCode.ok });
  });

  test('that of who has lost its supervisor', async () => {
    await using shop = await openWorkshop(2_000);
    using log = fullPipe(join(shop.folder, 'log'));
    await using run = intoFull(shop, log.path);
    await shop.claimed({ kind: 'claim' });
    const supervisor = (await shop.alive()).find(({ args }) => args.includes('supervisor.js'));
    process.kill(supervisor?.pid as number, 'SIGKILL');
    expect(await run.exited).toMatchObject({ code: ExitCode.lost });
  });
});

/** Takes nothing more; its reader is there, and does not read. */
function fullPipe(path: string): Disposable & { readonly path: string } {
  expect(spawnSync('mkfifo', [path]).status).toBe(0);
  const reader = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const fill = (): void => {
    for (;;) writeSync(reader, '\n'.repeat(4096));
  };
  expect(fill).toThrow('EAGAIN');
  return { path, [Symbol.dispose]: () => closeSync(reader) };
}

/** A server that hangs up on everybody, and counts them. */
async function refusing(): Promise<AsyncDisposable & { url: string; refused: () => number }> {
  let refused = 0;
  const server = createServer((socket) => {
    refused += 1;
    socket.destroy();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    refused: () => refused,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

/** The supervisor is given the same flags. */
const inGuardOnly = `
  import { closeSync, constants, existsSync, openSync, writeSync } from 'node:fs';
  const look = () => {
    if (existsSync(new URL(import.meta.url).pathname + '.now')) throw new Error('a bug');
  };
  if (process.argv[2] === 'run') setInterval(look, 20).unref();`;
