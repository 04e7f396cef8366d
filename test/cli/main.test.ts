import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { ExitCode, exitMeanings, exitRows } from '../../src/cli/exit-codes.ts';
import { lockd } from '../support/cli.ts';

const verbs = ['run', 'status', 'resign', 'migrate', 'demo'];

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
  { args: ['status', 'a', 'b'], says: 'too many arguments' },
  { args: ['resign'], says: "missing required argument 'name'" },
  { args: ['status', '--ttl', '10'], says: 'such as 10s, 1.5s or 250ms' },
  { args: ['status', '--takeover', 'reckless'], says: 'Allowed choices are safe, fast' },
  {
    args: ['status', '--schema', 'Robert"; --', '--database-url', 'postgres://h/x'],
    says: '`schema`',
  },
  { args: ['run', 'bot', 'ls', '-l'], says: "unknown option '-l'" },
  { args: ['run', 'bot', 'ls'], says: 'lockd run NAME -- COMMAND' },
  { args: ['run', 'bot', 'ls', '--', '-l'], says: 'lockd run NAME -- COMMAND' },
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

test('a broken pipe is no error', async () => {
  const { spawnSync } = await import('node:child_process');
  const { status, stderr } = spawnSync(
    'sh',
    ['-c', '"$0" bin/lockd.js --help | true; "$0" bin/lockd.js --help | head -1', process.execPath],
    { encoding: 'utf8' },
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});
