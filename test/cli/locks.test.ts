import { expect, test } from 'vitest';
import { ExitCode } from '../../src/cli/exit-codes.ts';
import { readLocks } from '../../src/index.ts';
import { lockDatabase } from '../locks/database.ts';
import { lockd } from '../support/cli.ts';
import { createDatabase, query } from '../support/database.ts';
import { until } from '../support/wait.ts';

const on = (url: string, ...args: string[]) => lockd(args, { DATABASE_URL: url });

test('where nothing is held it says so, and exits 1', async () => {
  await using database = await lockDatabase();
  const { code, stdout } = await on(database.url, 'locks');
  expect(code).toBe(ExitCode.nobody);
  expect(stdout).toMatch(/^nothing is held in database "test_/);
  const stale = await on(database.url, 'locks', '--stale', '10m');
  expect(stale.code).toBe(ExitCode.nobody);
  expect(stale.stdout).toMatch(/^nothing has been held for longer than 10 min 0 s in database/);
  expect(JSON.parse((await on(database.url, 'locks', '--json')).stdout)).toEqual({
    isHeld: false,
    resources: [],
  });
});

test('who holds what, how, since when and why, and who waits: 0', async () => {
  await using database = await lockDatabase();
  const manager = database.manager({ label: 'web-1:7' });
  const one = { owner: 'ann', reason: 'paints it', metadata: { colour: 'red' } };
  const held = await manager.acquire('b/wall', one);
  await manager.acquire('a/report', { owner: 'ann', mode: { permits: 3 } });
  await manager.acquire('a/report', { owner: 'bob', mode: { permits: 3 } });
  const late = database.manager({ label: 'web-2:8' });
  const waiting = late.acquire('b/wall', { owner: 'cid', reason: 'repairs it' });
  waiting.catch(() => {});
  await until(async () => (await manager.inspect('b/wall')).waiters.length === 1);
  const { code, stdout, stderr } = await on(database.url, 'locks');
  expect({ code, stderr }).toEqual({ code: ExitCode.ok, stderr: '' });
  const lines = stdout.split('\n');
  expect(lines).toEqual([
    expect.stringMatching(/^RESOURCE +MODE +OWNER +HOLDER +FOR +REASON +TOKEN +WAITING$/),
    expect.stringMatching(/^a\/report +1 of 3 +ann +web-1:7 +.* m?s +- +\d+ +0$/),
    expect.stringMatching(/^a\/report +1 of 3 +bob +web-1:7 +.* m?s +- +\d+ +0$/),
    expect.stringMatching(/^b\/wall +exclusive +ann +web-1:7 +.* m?s +paints it +\d+ +1$/),
    '',
    expect.stringMatching(/^WAITING FOR +MODE +OWNER +WAITER +FOR +REASON$/),
    expect.stringMatching(/^b\/wall +exclusive +cid +web-2:8 +.* m?s +repairs it$/),
  ]);
  expect(lines[3]).toContain(String(held.token));
  const json = JSON.parse((await on(database.url, 'locks', '--json')).stdout);
  expect(json).toMatchObject({
    isHeld: true,
    resources: [
      { resource: 'a/report', holders: [{ owner: 'ann' }, { owner: 'bob' }], waiters: [] },
      {
        resource: 'b/wall',
        holders: [
          {
            owner: 'ann',
            label: 'web-1:7',
            mode: 'exclusive',
            token: String(held.token),
            since: expect.stringMatching(/^\d{4}-.*Z$/),
            details: { reason: 'paints it', metadata: { colour: 'red' } },
          },
        ],
        waiters: [{ owner: 'cid', label: 'web-2:8' }],
      },
    ],
  });
});

test('a holder whose process is silent for longer than its TTL is shown to be', async () => {
  await using database = await lockDatabase();
  const manager = database.manager({ label: 'web-1:7', ttlMs: 600_000 });
  await manager.acquire('page');
  const seen = async () => [
    await manager.holderOf('page'),
    (await manager.list())[0],
    (await readLocks({ connectionString: database.url }))[0]?.holders[0],
    JSON.parse((await on(database.url, 'locks', '--json')).stdout).resources[0].holders[0],
  ];
  for (const holder of await seen()) expect(holder).toMatchObject({ isSilent: false });
  expect((await on(database.url, 'locks')).stdout).not.toContain('silent');
  await query(database.url, `update lockd.lease set beat_at = beat_at - interval '1 h'`);
  for (const holder of await seen()) expect(holder).toMatchObject({ isSilent: true });
  expect((await on(database.url, 'locks')).stdout).toMatch(/ web-1:7 \(silent\) /);
});

test('--stale shows only what has been held for longer', async () => {
  await using database = await lockDatabase();
  const manager = database.manager();
  await manager.acquire('old', { owner: 'ann' });
  await manager.acquire('new', { owner: 'ann' });
  await query(
    database.url,
    `update lockd.hold set since = since - interval '1 hour' where resource = 'old'`,
  );
  const { code, stdout } = await on(database.url, 'locks', '--stale', '10m');
  expect(code).toBe(ExitCode.ok);
  expect(stdout).toMatch(/^old .* 1 h 0 min /m);
  expect(stdout).not.toMatch(/^new /m);
  expect((await on(database.url, 'locks', '--stale', '2h')).code).toBe(ExitCode.nobody);
  const connectionString = database.url;
  expect(await readLocks({ connectionString }, { stalerThanMs: 600_000 })).toMatchObject([
    { resource: 'old', holders: [{ owner: 'ann', token: expect.any(BigInt) }], waiters: [] },
  ]);
  expect(await readLocks({ connectionString })).toHaveLength(2);
});

test('looking enrolls nobody and writes nothing', async () => {
  await using database = await lockDatabase();
  await on(database.url, 'locks');
  await on(database.url, 'unlock', 'nothing', '--reason', 'none');
  const [row] = await query(
    database.url,
    'select (select count(*)::int from lockd.lock) as locks, (select count(*)::int from lockd.hold) as holds',
  );
  expect(row).toEqual({ locks: 0, holds: 0 });
});

test('text of others cannot steer the terminal, and a password in it is not shown', async () => {
  await using database = await lockDatabase();
  const manager = database.manager({ label: 'postgres://u:secret@h/d' });
  await manager.acquire('\u202e odd', { reason: 'postgres://u:secret@h/d' });
  const { stdout } = await on(database.url, 'locks');
  expect(stdout).not.toContain('\u202e');
  expect(stdout).not.toContain('secret');
  expect((await on(database.url, 'locks', '--json')).stdout).not.toContain('secret');
});

test.for([['locks'], ['unlock', 'x', '--reason', 'y']])(
  'without a schema, or a database, it could not tell: %j',
  async (args) => {
    await using database = await createDatabase();
    const bare = await on(database.url, ...args);
    expect(bare.code).toBe(ExitCode.unknown);
    expect(bare.stderr).toMatch(/^lockd: There is no schema "?lockd"? here\. Run `lockd migrate`/);
    const gone = await on(`${database.url}_missing`, ...args, '--json');
    expect(gone.code).toBe(ExitCode.unknown);
    expect(JSON.parse(gone.stdout)).toMatchObject({ error: { code: expect.any(String) } });
  },
);

test('unlock says who let go, and whom it was taken from', async () => {
  await using database = await lockDatabase();
  const polite = database.manager({ label: 'polite' });
  const hold = await polite.acquire('page', { owner: 'ann', mode: 'shared' });
  hold.signal.addEventListener('abort', () => void hold.release());
  const deaf = database.manager({ label: 'deaf' });
  const kept = await deaf.acquire('page', { owner: 'bob', mode: 'shared' });
  const args = ['page', '--reason', 'deploy', '--by', 'ops', '--grace', '2s'];
  const { code, stdout } = await on(database.url, 'unlock', ...args);
  expect(code).toBe(ExitCode.ok);
  expect(stdout.split('\n')).toEqual([
    expect.stringMatching(
      /^asked ann of polite \(token \d+, held for .*\) to let go of page: it has$/,
    ),
    expect.stringMatching(
      /^asked bob of deaf \(token \d+, held for .*\) to let go of page: it has not, and it was taken away$/,
    ),
  ]);
  expect(hold.signal.reason).toMatchObject({ code: 'LOCKD_HOLD_ASKED' });
  expect(String(hold.signal.reason)).toContain('by ops: deploy');
  expect(kept.isHeld()).toBe(false);
  expect(await on(database.url, 'unlock', ...args)).toMatchObject({
    code: ExitCode.nobody,
    stdout: 'nobody holds page',
  });
});

test('unlock --json is typed, with tokens as strings', async () => {
  await using database = await lockDatabase();
  const manager = database.manager();
  const hold = await manager.acquire('page', { owner: 'ann' });
  const args = ['page', '--reason', 'deploy', '--by', 'ops', '--grace', '0', '--json'];
  const { code, stdout } = await on(database.url, 'unlock', ...args);
  expect(code).toBe(ExitCode.ok);
  expect(JSON.parse(stdout)).toMatchObject({
    resource: 'page',
    by: 'ops',
    reason: 'deploy',
    released: [],
    taken: [{ owner: 'ann', token: String(hold.token) }],
  });
  expect(hold.isHeld()).toBe(false);
});

test.for([
  { args: ['unlock', 'x'], says: "required option '--reason <text>' not specified" },
  { args: ['unlock', 'x', '--reason', ''], says: 'Expected `--reason`' },
  { args: ['unlock', '', '--reason', 'y'], says: 'Expected `resource`' },
  { args: ['locks', 'x'], says: 'too many arguments' },
  { args: ['locks', '--stale', '10'], says: 'such as 10s, 1.5s, 250ms or 5m' },
  { args: ['lock', '--', 'true'], says: 'RESOURCE is missing: lockd lock RESOURCE -- COMMAND' },
  { args: ['lock', 'x', 'ls'], says: 'Expected -- between RESOURCE and the command' },
  { args: ['lock', 'x', '-n', '-w', '1s', '--', 'true'], says: 'cannot be used with' },
  { args: ['lock', 'x', '-s', '--permits', '2', '--', 'true'], says: 'cannot be used with' },
  { args: ['lock', 'x', '--permits', '0', '--', 'true'], says: 'from 1 to 10000' },
  { args: ['lock', 'x', '-E', '256', '--', 'true'], says: 'from 0 to 255' },
  { args: ['lock', 'x', '--ttl', '0', '--', 'true'], says: 'Expected `--ttl` to be from 1 ms' },
  { args: ['lock', 'x', '--lease', '1ms', '--', 'true'], says: 'Expected `--lease` to be from' },
  { args: ['lock', 'x', '--owner', '', '--', 'true'], says: 'Expected `--owner` to be 1 to 200' },
])('a wrong command line exits 64 and says what is wrong: $args', async ({ args, says }) => {
  const { code, stdout, stderr } = await lockd(args, { DATABASE_URL: 'postgres://h/x' });
  expect({ code, stdout }).toEqual({ code: ExitCode.usage, stdout: '' });
  expect(stderr).toContain(says);
  expect(stderr).toMatch(/^lockd: /);
});

test('a lease that was set by its variable is told of by that; it does not limit the command', async () => {
  const { stderr } = await lockd(['lock', 'x', '--', 'true'], {
    DATABASE_URL: 'postgres://h/x',
    LOCKD_TTL: '1ms',
  });
  expect(stderr).toContain('Expected `LOCKD_TTL` to be from 500 ms');
});

test('why lock could not have a resource is its last line, and stdout is left to its command', async () => {
  await using database = await createDatabase();
  const bare = await on(database.url, 'lock', 'x', '--', 'true');
  expect(bare).toMatchObject({ code: ExitCode.unavailable, stdout: '' });
  expect(bare.stderr).toMatch(/^lockd: There is no schema .*\(database "test_[^\n]*\)$/m);
  expect(bare.stderr.match(/^lockd: /gm)).toHaveLength(1);
  const json = await on(database.url, 'lock', '--json', 'x', '--', 'true');
  expect(json).toMatchObject({ code: ExitCode.unavailable, stdout: '' });
  expect(JSON.parse(json.stderr.split('\n').at(-1) ?? '')).toMatchObject({
    error: { code: 'LOCKD_SCHEMA_MISSING' },
  });
});

test('a database that does not answer is no conflict, and the remedy is a flag', async () => {
  const { code, stdout, stderr } = await on(
    'postgres://127.0.0.1:1/x',
    'lock',
    'x',
    '-n',
    '--',
    'true',
  );
  expect({ code, stdout }).toEqual({ code: ExitCode.unavailable, stdout: '' });
  expect(stderr).toMatch(/^lockd: .*does not answer\. Wait for it with `--wait`/m);
});
