import { expect, test } from 'vitest';
import { ExitCode } from '../../src/cli/exit-codes.ts';
import { lockd, type Outcome } from '../support/cli.ts';
import { query } from '../support/database.ts';
import { type Election, holdElection } from '../support/election.ts';
import { registered } from '../support/registered.ts';
import { deferred } from '../support/wait.ts';

const resign = (election: Election, ...args: string[]): Promise<Outcome> =>
  lockd(['resign', election.name, ...args], { DATABASE_URL: election.url });

test('the leader that is asked resigns', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const { controller, story } = await registered(election.lead('first'));
  const token = String(controller.term?.token);
  const { code, stdout } = await resign(election);
  expect({ code, stdout }).toEqual({
    code: ExitCode.ok,
    stdout: `asked first (token ${token}) to resign from led`,
  });
  expect(await story.next('passive')).toMatchObject({ reason: 'resigned' });
});

test('with --wait it returns when the work has finished, and says who leads now', async () => {
  await using election = await holdElection();
  const { controller, story } = await registered(election.lead('first'));
  const second = await registered(election.standBy('second'));
  const work = deferred();
  void controller.track(work.promise);
  let isBack = false;
  const resigned = resign(election, '--wait').finally(() => {
    isBack = true;
  });
  await story.next('passive');
  await election.beats(2);
  expect(isBack).toBe(false);
  work.resolve();
  const { code, stdout } = await resigned;
  expect(code).toBe(ExitCode.ok);
  expect(stdout).toMatch(/^first \(token \d+\) resigned from led in .*s; second leads now/);
  expect(stdout).toContain(`(token ${second.controller.term?.token})`);
});

test('as JSON it tells outcome, who was asked, how long it took and the picture after it', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  await registered(election.lead('first'));
  await registered(election.standBy('second'));
  const { code, stdout } = await resign(election, '--wait', '--json');
  expect(code).toBe(ExitCode.ok);
  expect(JSON.parse(stdout)).toMatchObject({
    outcome: 'resigned',
    isHeard: true,
    asked: { label: 'first' },
    tookMs: expect.any(Number),
    status: { isLed: true, leader: { label: 'second' } },
  });
});

test('a drain that outlasts --timeout exits 2: the leader has not let go', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const { controller } = await registered(election.lead('first'));
  const work = deferred();
  void controller.track(work.promise);
  const { code, stdout } = await resign(election, '--wait', '--timeout', '300ms');
  expect(code).toBe(ExitCode.unknown);
  expect(stdout).toMatch(/^first \(token \d+\) has not let go of led after \d+ ms$/);
  work.resolve();
});

test('where nobody leads, there is nobody to ask', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const never = await resign(election, '--wait');
  expect(never).toMatchObject({
    code: ExitCode.nobody,
    stdout: 'nobody leads led: nobody ever has',
  });
  const { controller } = await registered(election.lead('first'));
  await controller.stop();
  expect(await resign(election)).toMatchObject({
    code: ExitCode.nobody,
    stdout: 'nobody leads led',
  });
  await query(
    election.url,
    `update lockd.lease set ended_at = null, beat_at = clock_timestamp() - interval '2 minutes'`,
  );
  const silent = await resign(election, '--json');
  expect(silent.code).toBe(ExitCode.nobody);
  expect(JSON.parse(silent.stdout)).toMatchObject({
    outcome: 'nobody',
    status: { leader: { state: 'silent' } },
  });
});

test('a leader that cannot hear is asked all the same, and said to be deaf', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const { controller } = await registered(election.lead('first'));
  await controller.stop();
  await query(election.url, 'update lockd.lease set ended_at = null, beat_at = clock_timestamp()');
  const { code, stdout } = await resign(election, '--wait', '--timeout', '100ms');
  expect(code).toBe(ExitCode.unknown);
  expect(stdout).toMatch(/its control session is lost, so it may not have heard$/);
});
