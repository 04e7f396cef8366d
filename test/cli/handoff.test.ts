import { expect, test } from 'vitest';
import { ExitCode } from '../../src/cli/exit-codes.ts';
import { lockd, type Outcome } from '../support/cli.ts';
import { type Election, holdElection } from '../support/election.ts';
import { registered } from '../support/registered.ts';

const handoff = (election: Election, ...args: string[]): Promise<Outcome> =>
  lockd(['handoff', election.name, ...args], { DATABASE_URL: election.url });

test('with --wait it says who leads now, and how long nobody did', async () => {
  await using election = await holdElection({ ttlMs: 30_000 });
  await registered(election.lead('first'));
  await registered(election.standBy('next'));
  const heir = await registered(election.standBy('heir'));
  const { code, stdout } = await handoff(election, '--to', 'heir', '--wait');
  expect(stdout).toMatch(
    /^first \(token \d+\) handed led over to heir \(token \d+\) in [\d.]+ m?s; nobody led for [\d.]+ m?s$/,
  );
  expect(stdout).toContain(`heir (token ${heir.controller.term?.token})`);
  expect(code).toBe(ExitCode.ok);
});

test('asked only, it does not wait; and the newest is asked where nobody is named', async () => {
  await using election = await holdElection({ ttlMs: 30_000 });
  await registered(election.lead('first'));
  await registered(election.standBy('older', { priority: 1 }));
  const newest = await registered(election.standBy('newest', { priority: 2 }));
  const { code, stdout } = await handoff(election, '--json');
  expect(JSON.parse(stdout)).toMatchObject({
    name: 'led',
    outcome: 'asked',
    from: { label: 'first' },
    to: { label: 'newest' },
    isHeard: true,
  });
  expect(code).toBe(ExitCode.ok);
  await newest.story.next('active');
});

test('an heir that is not ready is told of with its reason, and exits 1', async () => {
  await using election = await holdElection({ ttlMs: 30_000 });
  await registered(election.lead('first'));
  await registered(
    election.standBy('heir', { onStandby: () => ({ isReady: false, reason: 'cold\ncache' }) }),
  );
  const { code, stdout } = await handoff(election, '--wait');
  expect(stdout).toMatch(
    /^heir is not ready to take led over: cold.+cache; first \(token \d+\) leads on$/,
  );
  expect(code).toBe(ExitCode.nobody);
});

test.each<[string, (election: Election) => Promise<unknown>, string[], number, RegExp]>([
  ['nobody leads', async () => {}, [], ExitCode.nobody, /^nobody leads led$/],
  [
    'nobody waits',
    (election) => registered(election.lead('first')),
    ['--wait'],
    ExitCode.nobody,
    /^nobody waits for led that may lead: first \(token \d+\) leads on$/,
  ],
])('where %s it says so, and exits 1', async (_, stage, args, expected, text) => {
  await using election = await holdElection({ ttlMs: 30_000 });
  await stage(election);
  const { code, stdout } = await handoff(election, ...args);
  expect(stdout).toMatch(text);
  expect(code).toBe(expected);
});

test('an instance that is not there is refused with those that are', async () => {
  await using election = await holdElection({ ttlMs: 30_000 });
  await registered(election.lead('first'));
  await registered(election.standBy('heir'));
  const { code, stderr } = await handoff(election, '--to', 'hier');
  expect(stderr).toMatch(/Nobody that waits for "led" and may lead is "hier": there is heir \(/);
  expect(code).toBe(ExitCode.usage);
});
