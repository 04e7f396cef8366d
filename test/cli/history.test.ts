import { expect, test } from 'vitest';
import { ExitCode } from '../../src/cli/exit-codes.ts';
import { lockd, type Outcome } from '../support/cli.ts';
import { query } from '../support/database.ts';
import { type Election, holdElection } from '../support/election.ts';

const history = ({ url, name }: Election, ...args: string[]): Promise<Outcome> =>
  lockd(['history', name, ...args], { DATABASE_URL: url });

test('a name that was never led exits 1 and says so', async () => {
  await using election = await holdElection();
  const { code, stdout } = await history(election);
  expect(code).toBe(ExitCode.nobody);
  expect(stdout).toMatch(/^nobody has ever led led in the database "test_/);
});

test('who led, how long, why it ended and the gap before; who leads now is shown as such: 0', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const first = await election.lead('first');
  const second = await election.standBy('second');
  await first.controller.resign();
  await second.controller.whenActive();
  const { code, stdout, stderr } = await history(election);
  expect({ code, stderr }).toEqual({ code: ExitCode.ok, stderr: '' });
  const time = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z';
  const [head, one, two, ...rest] = stdout.split('\n');
  expect(head).toMatch(/^TOKEN +LEADER +FROM +TO +LED FOR +ENDED BY +REASON +GAP BEFORE$/);
  expect(one).toMatch(new RegExp(`^\\d+ +first +${time} +${time} +.* m?s +release +resigned +-$`));
  expect(two).toMatch(new RegExp(`^\\d+ +second +${time} +leads now +.* m?s +- +- +\\d+.* m?s$`));
  expect(rest).toEqual([]);

  const latest = await history(election, '--limit', '1', '--since', '1h', '--json');
  expect(JSON.parse(latest.stdout)).toEqual({
    name: election.name,
    terms: [
      expect.objectContaining({
        token: String(second.controller.term?.token),
        label: 'second',
        endedAt: null,
        isRunning: true,
      }),
    ],
  });
});

test('nobody led it lately: 1, and for how long', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const { controller } = await election.lead('gone');
  await controller.stop();
  await query(
    election.url,
    `update lockd.term set started_at = started_at - interval '3 h', ended_at = ended_at - interval '2 h'`,
  );
  const { code, stdout } = await history(election, '--since', '1h');
  expect(code).toBe(ExitCode.nobody);
  expect(stdout).toMatch(/^nobody has led led in the last 1 h 0 min in the database/);
  expect((await history(election, '--since', '168h')).code).toBe(ExitCode.ok);
});

test('a term whose leader fell silent, with text of others that cannot steer the terminal', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const { controller } = await election.lead('gone');
  await controller.stop();
  await query(
    election.url,
    `update lockd.lease set ended_at = null, beat_at = clock_timestamp() - interval '2 minutes';
     update lockd.term set ended_at = null, ended_by = null, reason = null, label = E'\\x1b[2Jx\\ny'`,
  );
  const { stdout } = await history(election);
  expect(stdout).toMatch(/ \\u\{1b\}\[2Jx\\u\{a\}y +\S+Z +silent since \S+Z /);
  expect(stdout).not.toContain('\u001b');
});

test('without a database it could not tell: 2', async () => {
  const { code } = await lockd(['history', 'bot'], { DATABASE_URL: 'postgres://127.0.0.1:1/x' });
  expect(code).toBe(ExitCode.unknown);
});

test.each([
  ['--limit', '1001'],
  ['--since', '7'],
])('history %s %s is refused: 64', async (...args) => {
  const env = { DATABASE_URL: 'postgres://127.0.0.1:1/x' };
  const { code, stderr } = await lockd(['history', 'bot', ...args], env);
  expect(code).toBe(ExitCode.usage);
  expect(stderr).toContain(args[0]);
});
