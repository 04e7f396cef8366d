import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { ExitCode, exitMeanings, exitRows } from '../../src/cli/exit-codes.ts';
import { lockd, unnamed } from '../support/cli.ts';

const verbs = [
  'run',
  'lock',
  'status',
  'watch',
  'history',
  'resign',
  'locks',
  'unlock',
  'migrate',
  'demo',
];

test('help names every verb and every exit code, and is no error', async () => {
  const { code, stdout, stderr } = await lockd(['--help']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  for (const verb of verbs) expect(stdout).toMatch(new RegExp(`^  ${verb} `, 'm'));
  for (const meaning of Object.values(exitMeanings)) expect(stdout).toContain(meaning);
});

test('the runbook’s table of exit codes is the one of the code', async () => {
  const runbook = await readFile(new URL('../../RUNBOOK.md', import.meta.url), 'utf8');
  const [, table = ''] =
    /^\| exit code \| meaning \|\n\| --- \| --- \|\n((?:\|.*\n)+)/m.exec(runbook) ?? [];
  const rows = table
    .trimEnd()
    .split('\n')
    .map((line) => line.slice(2, -2).split(' | '));
  expect(rows).toEqual(exitRows());
});

test('every verb has help with an example and its variables', async () => {
  const helps = await Promise.all(verbs.map((verb) => lockd([verb, '--help'])));
  for (const [index, { code, stdout }] of helps.entries()) {
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^  \\$ lockd ${verbs[index]}`, 'm'));
    expect(stdout).toContain('LOCKD_DATABASE_URL');
  }
});

test('the version is the one of the package', async () => {
  expect(await lockd(['--version'])).toMatchObject({ code: 0, stdout: packageJson.version });
});

test('without a verb the help goes to stderr and the usage is wrong', async () => {
  const { code, stdout, stderr } = await lockd([]);
  expect({ code, stdout }).toEqual({ code: ExitCode.usage, stdout: '' });
  expect(stderr).toContain('Usage: lockd');
});

test.for([
  { args: ['statsu'], says: 'Did you mean status?' },
  { args: ['status', '--shcema', 'x'], says: 'Did you mean --schema?' },
  { args: ['status', '--shcema=x'], says: "unknown option '--shcema'\n(Did you mean --schema?)" },
  { args: ['--ttl=5s', 'run', 'x'], says: 'behind the verb: lockd run --ttl' },
  { args: ['--shcema=x', 'status'], says: 'behind the verb: lockd status --schema' },
  { args: ['status', '--zzzzzzzzzzzz=x'], says: "unknown option '--zzzzzzzzzzzz'" },
  { args: ['status', 'a', 'b'], says: 'too many arguments' },
  { args: ['resign'], says: "missing required argument 'name'" },
  { args: ['status', '--ttl', '10'], says: 'such as 10s, 1.5s, 250ms or 5m' },
  { args: ['status', '--takeover', 'reckless'], says: 'Allowed choices are safe, fast' },
  {
    args: ['status', '--schema', 'Robert"; --', '--database-url', 'postgres://h/x'],
    says: '`--schema`',
  },
  { args: ['run', '--', 'true'], says: 'NAME is missing' },
  { args: ['run', '--', 'true', 'x'], says: 'NAME is missing' },
  { args: ['run', 'bot', 'ls', '-l'], says: "unknown option '-l'" },
  { args: ['run', 'bot', 'ls'], says: 'lockd run NAME -- COMMAND' },
  { args: ['run', 'bot', 'ls', '--', '-l'], says: 'lockd run NAME -- COMMAND' },
  { args: ['run', 'bot', '--', ''], says: 'Expected a command behind --, got ""' },
  { args: ['run', 'bot', '--', '', 'x'], says: 'Expected a command behind --, got ""' },
  { args: ['run', '--', 'bot', '--', ''], says: 'Expected a command behind --, got ""' },
  { args: ['run', 'bot', '--'], says: "missing required argument 'command'" },
])('a wrong command line exits 64 and says what is wrong: $args', async ({ args, says }) => {
  const { code, stdout, stderr } = await lockd(args);
  expect({ code, stdout }).toEqual({ code: ExitCode.usage, stdout: '' });
  expect(stderr).toContain(says);
  expect(stderr).toMatch(/^lockd: /);
});

test('a variable that does not fit is named', async () => {
  const { code, stderr } = await lockd(['status'], { LOCKD_TTL: 'soon' });
  expect(code).toBe(ExitCode.usage);
  expect(stderr).toContain("from env 'LOCKD_TTL' is invalid");
  const flag = await lockd(['migrate'], { LOCKD_JSON: 'maybe' });
  expect(flag.code).toBe(ExitCode.usage);
  expect(flag.stderr).toContain('expected LOCKD_JSON to be 1 or 0, got "maybe"');
});

test('an option that does not fit is named as it was set, by flag or variable', async () => {
  const anywhere = { DATABASE_URL: 'postgres://h/x' };
  const flag = await lockd(['run', 'bot', '--ttl', '1ms', '--', 'true'], anywhere);
  expect(flag.code).toBe(ExitCode.usage);
  expect(flag.stderr).toContain('`--ttl` to be from 500 ms');
  const variable = await lockd(['run', 'bot', '--', 'true'], { ...anywhere, LOCKD_TTL: '1ms' });
  expect(variable.stderr).toContain('`LOCKD_TTL` to be from 500 ms');
  const demo = await lockd(['demo', '--ttl', '499ms']);
  expect(demo).toMatchObject({ code: ExitCode.usage, stdout: '' });
  expect(demo.stderr).toContain('`--ttl` to be from 500 ms');
});

test('a variable that nobody reads is refused, with the nearest that is read', async () => {
  const { code, stderr } = await lockd(['migrate', '--print-grants', 'bot'], { LOCKD_TTTL: '5s' });
  expect(code).toBe(ExitCode.usage);
  expect(stderr).toBe('lockd: There is no variable LOCKD_TTTL. Did you mean LOCKD_TTL?');
});

test('variables of other verbs, of a command that lockd runs, of tests and of Kubernetes are let be', async () => {
  const { code, stderr } = await lockd(['migrate', '--print-grants', 'bot'], {
    LOCKD_GRACE: '5s',
    LOCKD_TIMEOUT: '5s',
    LOCKD_NAME: 'bot',
    LOCKD_TOKEN: '1',
    LOCKD_INSTANCE: 'x',
    LOCKD_RESOURCE: 'deploy',
    LOCKD_OWNER: 'ann',
    LOCKD_SLOT: '0',
    LOCKD_TEST_SEED: '1',
    LOCKD_SERVICE_HOST: '10.0.0.1',
    LOCKD_BOT_SERVICE_PORT_HTTP: '80',
    LOCKD_PORT_80_TCP_ADDR: '10.0.0.1',
  });
  expect({ code, stderr }).toEqual({ code: ExitCode.ok, stderr: '' });
});

test.for([
  ['status', 'postgres://u:secret@h/d'],
  ['status', '--json', 'postgres://u:secret@h/d'],
  ['resign', 'postgres://u:secret@h/d'],
  ['run', 'postgres://u:secret@h/d', '--', 'true'],
  ['lock', 'postgres://u:secret@h/d', '--', 'true'],
  ['unlock', 'postgres://u:secret@h/d', '--reason', 'x'],
  ['migrate', '--print-grants', 'postgres://u:secret@h/d'],
])('an address where a name is expected is refused and not shown: %j', async (args) => {
  const { code, stdout, stderr } = await lockd(args, { DATABASE_URL: 'postgres://h/x' });
  expect(code).toBe(ExitCode.usage);
  expect(stdout + stderr).toContain('the address goes to --database-url or DATABASE_URL');
  expect(stdout + stderr).not.toMatch(/secret|u:/);
});

test.for([
  ['status', '--json', '--shcema', 'x'],
  ['status', '--json', 'a', 'b'],
  ['statsu', '--json'],
  ['resign', '--json', '--', ''],
])('with --json an error is JSON on stdout, and nothing else is said: %j', async (args) => {
  const { code, stdout, stderr } = await lockd(args, { DATABASE_URL: 'postgres://h/x' });
  expect({ code, stderr }).toEqual({ code: ExitCode.usage, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({
    error: { code: 'LOCKD_INVALID_OPTION', message: expect.stringMatching(/^(?!lockd: )./) },
  });
});

test.for([
  ['run', '--json', 'bot', 'ls'],
  ['run', '--json', '--', 'true'],
  ['run', '--json', 'bot', '--ttl', '1ms', '--', 'true'],
  ['lock', '--json', 'bot', 'ls'],
  ['lock', '--json', '--', 'true'],
  ['lock', '--json', 'bot', '--ttl', '0', '--', 'true'],
])(
  'run and lock --json leave stdout to its command: an error is a line on stderr: %j',
  async (args) => {
    const { code, stdout, stderr } = await lockd(args, { DATABASE_URL: 'postgres://h/x' });
    expect({ code, stdout }).toEqual({ code: ExitCode.usage, stdout: '' });
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'LOCKD_INVALID_OPTION' } });
    expect(stderr).not.toContain('\n');
  },
);

test('help promises a database only in a clone, and of demo only what demo uses', async () => {
  const { stdout } = await lockd(['--help']);
  expect(stdout).toMatch(/in a clone: a development database/);
  const demo = await lockd(['demo', '--help']);
  const flags = [...demo.stdout.matchAll(/^ {2}(?:-h, )?--([\w-]+)/gm)].map(([, flag]) => flag);
  expect(flags).toEqual(['database-url', 'ttl', 'takeover', 'json', 'help']);
});

test.skipIf(!existsSync('/dev/full'))(
  'an answer that cannot be written is no answer: one sentence, and never the code for nobody',
  () => {
    const inShell = (line: string): { status: number | null; stderr: string } =>
      spawnSync('sh', ['-c', line, process.execPath], {
        encoding: 'utf8',
        env: { ...process.env, ...unnamed(), DATABASE_URL: 'postgres://127.0.0.1:1/x' },
      });
    const help = inShell('exec "$0" bin/lockd.js migrate --print-grants bot > /dev/full');
    expect(help.status).toBe(ExitCode.internal);
    expect(help.stderr).toMatch(/^lockd: could not write to stdout: ENOSPC.*\n$/);
    const status = inShell('exec "$0" bin/lockd.js status --json --log-level silent > /dev/full');
    expect(status.status).toBe(ExitCode.unknown);
    expect(status.stderr).toMatch(/^lockd: could not write to stdout: ENOSPC.*\n$/);
    expect(inShell('exec "$0" bin/lockd.js statsu 2> /dev/full').status).toBe(ExitCode.usage);
  },
);

test('a broken pipe is no error', () => {
  const { status, stderr } = spawnSync(
    'sh',
    ['-c', '"$0" bin/lockd.js --help | true; "$0" bin/lockd.js --help | head -1', process.execPath],
    { encoding: 'utf8' },
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});
