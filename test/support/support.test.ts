import { once } from 'node:events';
import { createServer } from 'node:net';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { processIdentity } from '../../src/embedded/processes.ts';
import { createDatabase, query } from './database.ts';
import { expectNoLeaks, expectNoSessions, heldResources } from './leaks.ts';
import { startNode, TestProcess } from './processes.ts';
import { until } from './wait.ts';

describe('the leak check', () => {
  test('finds a timer, a listening socket and a signal listener', async () => {
    const before = heldResources();
    const timer = setTimeout(() => {}, 60_000); // never waited for: it is what is to be found
    const server = createServer().listen(0);
    await once(server, 'listening');
    const listener = () => {};
    process.on('SIGTERM', listener);
    await expect(expectNoLeaks(before, 0)).rejects.toMatchObject({
      actual: { Timeout: expect.any(Number), TCPServerWrap: 1, 'SIGTERM listener': 1 },
    });

    clearTimeout(timer);
    server.close();
    process.off('SIGTERM', listener);
    await expectNoLeaks(before);
  });

  test('finds sessions and advisory locks of the database, and sees them go', async () => {
    await using database = await createDatabase();
    await using neighbour = await createDatabase();
    const client = new pg.Client({
      connectionString: database.url,
      application_name: 'lockd left behind',
    });
    await client.connect();
    await client.query('SELECT pg_advisory_lock(1, 2)');
    const check = expectNoSessions(database.url, 'lockd%', 50);
    await expect(check).rejects.toThrow(/lockd left behind: idle.*advisory lock/s);
    await expectNoSessions(neighbour.url);
    await client.end();
    await expectNoSessions(database.url);
  });
});

test('a database of a test’s own is gone after it, even while somebody is connected', async () => {
  const database = await createDatabase();
  const client = new pg.Client(database.url);
  const ended = new Promise((resolve) => client.on('error', resolve));
  await client.connect();
  await database[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
  await ended;
  await expect(query(database.url, 'SELECT')).rejects.toMatchObject({ code: '3D000' });
});

describe('a child process', () => {
  test('gives its lines in order, and says what it said when none of them matches', async () => {
    await using child = node(`console.log('one\\ntwo'); console.error('two'); process.exit(3)`);
    await child.line(/two/);
    await child.line((line) => line === 'two');
    await expect(child.line(/two/)).rejects.toThrow(/ended \(3\).*one\ntwo\ntwo/s);
    expect(await child.exited).toEqual({ code: 3, signal: null });
    expect(child.stdout).toEqual(['one', 'two']);
    expect(child.stderr).toEqual(['two']);
  });

  test('is killed with all its descendants, frozen or not', async () => {
    const child = node(`
      const { spawn } = require('node:child_process');
      const options = { detached: true, stdio: 'inherit' };
      spawn(process.execPath, ['-e', 'console.log(process.pid); setInterval(() => {}, 1e6)'], options);
    `);
    const grandchild = Number(await child.line(/^\d+$/));
    process.kill(grandchild, 'SIGSTOP');
    child.signal('SIGSTOP');
    await child[Symbol.asyncDispose]();
    await child[Symbol.asyncDispose]();
    expect(child.hasExited).toBe(true);
    await until(async () => (await processIdentity(grandchild)) === undefined);
  });

  test('that cannot be started says so', async () => {
    await using child = new TestProcess('/does/not/exist', []);
    await expect(child.exited).rejects.toMatchObject({ code: 'ENOENT' });
    expect(() => child.pid).toThrow('did not start');
    await using script = startNode('/does/not/exist.js');
    await script.line(/Cannot find module/);
  });
});

test('waiting in vain says for what, and why it was not so', async () => {
  const condition = () => {
    throw new Error('still broken');
  };
  const waiting = until(condition, { timeoutMs: 20, describe: 'it is mended' });
  await expect(waiting).rejects.toMatchObject({
    message: 'Waited in vain for 20 ms until it is mended',
    cause: { message: 'still broken' },
  });
});

function node(code: string): TestProcess {
  return new TestProcess(process.execPath, ['-e', code]);
}
