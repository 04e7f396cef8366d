import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { built } from '../support/built.ts';
import { startNode } from '../support/processes.ts';

const program = `
  import { testController, testLockManager, FakeClock, MemoryServer } from './testing/index.js';
  import { traceController, traceLocks } from './tracing/index.js';
  const clock = new FakeClock();
  const server = new MemoryServer({ clock });
  const lock = testController({ server, name: 'led' });
  const locks = testLockManager({ server });
  const say = (level) => (fields, message) => console.log(level, message, fields.reason ?? '');
  const logger = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
  const traced = [await traceController(lock, { logger }), await traceLocks(locks)];
  await lock.start();
  console.log('leads', lock.isActive(), lock.eventNames().length);
  await locks.using('x', () => {});
  for (const each of traced) each[Symbol.dispose]();
  await clock.until(Promise.all([lock.stop(), locks.stop()]));
`;

let folder: string;

/** What was built, where no package is installed in any folder above it. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockd-test-'));
  const dist = fileURLToPath(new URL('..', built('tracing/index.js')));
  for (const part of ['core', 'testing', 'tracing']) {
    await cp(join(dist, part), join(folder, part), { recursive: true });
  }
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  await writeFile(join(folder, 'program.js'), program);
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

test('without @opentelemetry/api nothing is traced, nothing is listened to, and one line says so', async () => {
  await using child = startNode(join(folder, 'program.js'));
  child.closeStdin();
  expect(await child.closed).toEqual({ code: 0, signal: null });
  expect(child.stderr).toEqual([]);
  expect(child.stdout).toEqual([
    expect.stringMatching(
      /^debug does not trace: no @opentelemetry\/api Cannot find package '@opentelemetry\/api'/,
    ),
    'leads true 0',
  ]);
});

test('with it, the same program listens', async () => {
  const api = join(folder, 'node_modules/@opentelemetry/api');
  await mkdir(join(api, '..'), { recursive: true });
  await symlink(
    fileURLToPath(new URL('../../node_modules/@opentelemetry/api', import.meta.url)),
    api,
  );
  await using child = startNode(join(folder, 'program.js'));
  child.closeStdin();
  expect(await child.closed).toEqual({ code: 0, signal: null });
  expect(child.stdout).toEqual(['leads true 2']);
});
