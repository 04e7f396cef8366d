import { expect, test } from 'vitest';
import { ExitCode } from '../../src/cli/exit-codes.ts';
import { faultsOf } from '../../src/cli/status.ts';
import { migrate, type NameStatus, SingletonLockController } from '../../src/index.ts';
import { isInUse } from '../../src/postgres/status.ts';
import { lockd, type Outcome } from '../support/cli.ts';
import { createDatabase, query } from '../support/database.ts';
import { type Election, holdElection } from '../support/election.ts';
import { registered } from '../support/registered.ts';

const status = (election: Pick<Election, 'url'>, ...args: string[]): Promise<Outcome> =>
  lockd(['status', ...args], { DATABASE_URL: election.url });

test('a name that was never led exits 1 and says that nobody ever has', async () => {
  await using election = await holdElection();
  const one = await status(election, 'unheard-of');
  expect(one.code).toBe(ExitCode.nobody);
  expect(one.stdout).toMatch(/nobody leads unheard-of: nobody has ever led it/);
  const all = await status(election);
  expect(all.code).toBe(ExitCode.nobody);
  expect(all.stdout).toMatch(/no name has ever been led/);
});

test('a name that is led exits 0 and shows leader, token and who waits', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const { controller } = await registered(election.lead('first'));
  await registered(election.standBy('second'));
  const { code, stdout, stderr } = await status(election, election.name);
  expect({ code, stderr }).toEqual({ code: ExitCode.ok, stderr: '' });
  const [head, row, blank, waitingHead, waiting, ...rest] = stdout.split('\n');
  expect(head).toMatch(/^NAME +STATE +LEADER +HOST +PID +TOKEN +SINCE +LAST BEAT +TTL +WAITING$/);
  expect(row).toMatch(/^led +leading +first +\S+ +\d+ +\d+ +.* ago +.* ago +1 min 0 s +1$/);
  expect(row).toContain(String(controller.term?.token));
  expect(blank).toBe('');
  expect(waitingHead).toMatch(/^WAITING FOR +INSTANCE/);
  expect(waiting).toMatch(/^led +second /);
  expect(rest).toEqual([]);
});

test('as JSON it is the library’s own picture, tokens as strings, what is not known as null', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const { controller } = await registered(election.lead('first'));
  const { code, stdout } = await status(election, '--json');
  expect(code).toBe(ExitCode.ok);
  expect(JSON.parse(stdout)).toMatchObject({
    isLed: true,
    names: [
      {
        name: election.name,
        isLed: true,
        isInUse: true,
        leader: {
          state: 'leading',
          token: String(controller.term?.token),
          label: 'first',
          ttlMs: 60_000,
          endedAt: null,
        },
        waiting: [],
        faults: [],
      },
    ],
  });
});

/** A name beside the one of the election, led and given up again in order. */
async function leadAndStop(election: Election, name: string): Promise<void> {
  await using other = new SingletonLockController({ name, connectionString: election.url });
  await other.start();
  await other.whenActive();
  expect((await status(election)).code).toBe(ExitCode.ok);
}

test('of several names in use, one without a leader is enough to exit 1; asked alone, each has its own', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  await registered(election.lead('first'));
  await leadAndStop(election, 'other');
  await query(
    election.url,
    `update lockd.lease set ended_reason = 'session-lost' where label <> 'first'`,
  );
  expect((await status(election)).code).toBe(ExitCode.nobody);
  expect((await status(election, election.name)).code).toBe(ExitCode.ok);
  const { code, stdout } = await status(election, 'other');
  expect(code).toBe(ExitCode.nobody);
  expect(stdout).toMatch(/^other +nobody +\(was /m);
});

test('a name that is out of use is listed as such, and is no alarm while another one is led', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const { controller } = await registered(election.lead('first'));
  await leadAndStop(election, 'other');
  const beside = await status(election);
  expect(beside.code).toBe(ExitCode.ok);
  expect(beside.stdout).toMatch(/^other +unused +\(was /m);
  expect((await status(election, 'other')).code).toBe(ExitCode.nobody);
  await controller.stop();
  expect((await status(election)).code).toBe(ExitCode.nobody); // none is in use
});

const first: NameStatus = {
  name: 'bot',
  readAt: new Date(),
  isLed: false,
  isInUse: false,
  leader: undefined,
  waiting: [],
  seat: undefined,
  faults: [],
};
const last = {
  state: 'ended',
  endedReason: 'stopped',
  lastBeatAgeMs: 1_000,
} as NonNullable<NameStatus['leader']>;
const session = { backend: 1 } as NonNullable<NameStatus['seat']>;
const instance = { label: 'b' } as NameStatus['waiting'][number];
const longAgoMs = 25 * 60 * 60 * 1000;

test.for<[string, boolean, Partial<NameStatus>]>([
  ['was never led', false, {}],
  ['was stopped in order', false, { leader: last }],
  ['is led', true, { isLed: true, leader: { ...last, state: 'leading' } }],
  ['is waited for', true, { leader: last, waiting: [instance] }],
  ['has somebody on its seat', true, { leader: last, seat: session }],
  ['lost its leader', true, { leader: { ...last, endedReason: 'its process died' } }],
  ['has a silent leader', true, { leader: { ...last, state: 'silent', endedReason: undefined } }],
  [
    'has been silent for a day',
    false,
    { leader: { ...last, state: 'silent', endedReason: undefined, lastBeatAgeMs: longAgoMs } },
  ],
])('whether a name is in use that %s: %s', ([, isUsed, facts]) => {
  expect(isInUse({ ...first, ...facts })).toBe(isUsed);
});

test('a silent leader and whatever else is wrong is named below the table', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const { controller } = await registered(election.lead('gone'));
  await controller.stop();
  await query(
    election.url,
    `update lockd.lease set ended_at = null, beat_at = clock_timestamp() - interval '2 minutes'`,
  );
  const { code, stdout } = await status(election);
  expect(code).toBe(ExitCode.nobody);
  expect(stdout).toMatch(/^led +silent +gone /m);
  expect(stdout).toMatch(
    /^WRONG WITH +WHAT +MEANING\nled +leader-silent +No beat of gone for 12\d/m,
  );
  expect(stdout).toMatch(/^TO MEND +WHAT +RUN\nled +leader-silent +lockd run led -- COMMAND$/m);
  const { names } = JSON.parse((await status(election, '--json')).stdout);
  expect(names[0].faults).toMatchObject([
    { code: 'leader-silent', remedy: 'lockd run led -- COMMAND' },
  ]);
});

test('what is wrong with the whole server is said once, and of whom else', () => {
  const crowded = { code: 'connection-limit', message: 'all', remedy: 'more' } as const;
  const own = { code: 'seat-held', message: 'held', remedy: 'free' } as const;
  const names = ['a', 'b', 'c', 'd'].map((name, index) => ({
    ...first,
    name,
    faults: index === 0 ? [crowded, own] : [crowded],
  }));
  expect(faultsOf(names)).toEqual([
    { ...crowded, names: 'a and 3 more' },
    { ...own, names: 'a' },
  ]);
  expect(faultsOf(names.slice(0, 2))[0]?.names).toBe('a, b');
});

test.for([
  `'; drop schema lockd cascade; --`,
  '"quoted" \\ $1 %s {}',
  '--json',
  'töpfer 🏺 \u202e reversed',
  'ж'.repeat(200),
])('an odd name is a name like any other: %s', async (name) => {
  await using database = await createDatabase();
  await migrate({ connectionString: database.url });
  await using controller = new SingletonLockController({ name, connectionString: database.url });
  await controller.start();
  await controller.whenActive();
  const { code, stdout } = await status(database, '--json', '--', name);
  expect(code).toBe(ExitCode.ok);
  expect(JSON.parse(stdout).names).toMatchObject([{ name, isLed: true }]);
  const table = await status(database, '--', name);
  expect(table.code).toBe(ExitCode.ok);
  expect(table.stdout).not.toContain('\u202e');
  await query(database.url, 'select from lockd.lock');
});

test.for(['', 'line\nfeed', 'x'.repeat(201)])('no name at all is refused: %j', async (name) => {
  const { code, stderr } = await lockd(['status', '--', name], { DATABASE_URL: 'postgres://h/x' });
  expect(code).toBe(ExitCode.usage);
  expect(stderr).toContain('Expected `name`');
});

test('a password in a text of others is not shown, neither in the table nor as JSON', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  await registered(election.lead('postgres://u:secret@h/d'));
  expect((await status(election)).stdout).toMatch(/postgres:\/\/u:\*\*\*@h\/d/);
  const { stdout } = await status(election, '--json');
  expect(JSON.parse(stdout).names[0].leader.label).toBe('postgres://u:***@h/d');
});

test('text of others cannot steer the terminal', async () => {
  await using election = await holdElection({ ttlMs: 60_000 });
  const { controller } = await registered(election.lead('gone'));
  await controller.stop();
  await query(election.url, `update lockd.lease set ended_at = null, label = E'\\x1b[2Jx\\ny'`);
  const { stdout } = await status(election);
  expect(stdout).toContain('\\u{1b}[2Jx\\u{a}y');
  expect(stdout).not.toContain('\u001b');
});
