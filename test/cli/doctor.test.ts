import { afterAll, beforeAll, expect, test } from 'vitest';
import { ExitCode } from '../../src/cli/exit-codes.ts';
import type { Cluster } from '../../src/embedded/cluster.ts';
import { freePort } from '../../src/embedded/port.ts';
import { migrate } from '../../src/index.ts';
import { lockd } from '../support/cli.ts';
import { startTestCluster } from '../support/cluster.ts';
import { createDatabase } from '../support/database.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startTestCluster({ settings: { fsync: 'on' } });
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

test('a database that fits exits 0, with a line for each check and a summary', async () => {
  await using database = await createDatabase(cluster.url());
  await migrate({ connectionString: database.url });
  const { code, stdout, stderr } = await lockd(['doctor'], { DATABASE_URL: database.url });
  expect({ code, stderr }).toEqual({ code: ExitCode.ok, stderr: '' });
  const [head, ...lines] = stdout.split('\n');
  const [checks, summary] = [lines.slice(0, -2), lines.at(-1)];
  expect(head).toMatch(/^VERDICT +CHECK +FOUND$/);
  for (const line of checks) expect(line).toMatch(/^ok {7}[a-z-]+ +\S.*\.$/);
  expect(summary).toBe(`${checks.length} ok`);
});

test('a problem exits 2, its remedy on the next line; as JSON it is what a program gets', async () => {
  await using database = await createDatabase(cluster.url());
  const named = { DATABASE_URL: database.url };
  const { code, stdout } = await lockd(['doctor'], named);
  expect(code).toBe(ExitCode.unknown);
  expect(stdout).toMatch(
    /^problem +schema +There is no schema .*\n {17,}→ Run `lockd migrate`, or start/m,
  );
  expect(stdout).toMatch(/\n\n1 problem, 1 note, \d+ ok$/);
  const json = await lockd(['doctor', '--json'], named);
  expect(json.code).toBe(ExitCode.unknown);
  const { worst, findings } = JSON.parse(json.stdout);
  expect(worst).toBe('problem');
  expect(findings[0]).toEqual({
    check: 'connection',
    verdict: 'ok',
    message: expect.stringContaining(database.name),
    remedy: null,
  });
});

test('the settings of the instances are those of the deployment; what does not fit exits 1', async () => {
  await using database = await createDatabase(cluster.url());
  await migrate({ connectionString: database.url });
  const { code, stdout } = await lockd(['doctor', 'bot', '--instances', '20', '--json'], {
    DATABASE_URL: database.url,
    LOCKD_TTL: '20s',
    LOCKD_HEARTBEAT: '3s',
  });
  expect(code).toBe(ExitCode.nobody);
  const { worst, findings } = JSON.parse(stdout);
  expect(worst).toBe('warning');
  const messages = Object.fromEntries(
    findings.map(({ check, message }: Record<string, string>) => [check, message]),
  );
  expect(messages['round-trip']).toContain('a beat is due every 3000 ms');
  expect(messages['connections']).toContain('20 instances take 40');
  expect(messages['status']).toBe('Nobody has ever led "bot" here.');
});

test('a database that cannot be reached exits 2, and no password is shown', async () => {
  const url = `postgres://bot:secret@127.0.0.1:${await freePort()}/app`;
  const { code, stdout, stderr } = await lockd(['doctor'], { DATABASE_URL: url });
  expect(code).toBe(ExitCode.unknown);
  expect(stdout).toMatch(/^problem +connection +Cannot connect to database "app".*ECONNREFUSED/m);
  expect(stdout + stderr).not.toContain('secret');
});

test.each([
  [['--instances', '0'], 'Expected a whole number from 1 to 10000'],
  [['--heartbeat', '9s'], '--heartbeat'],
  [['postgres://u:secret@h/d'], 'That is an address'],
])('what does not fit exits 64: %j', async (args, says) => {
  const { code, stderr } = await lockd(['doctor', ...args], { DATABASE_URL: 'postgres://h/x' });
  expect(code).toBe(ExitCode.usage);
  expect(stderr).toContain(says);
  expect(stderr).not.toContain('secret');
});
