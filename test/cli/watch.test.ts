import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ExitCode } from '../../src/cli/exit-codes.ts';
import { type Change, changesBetween, lineOf } from '../../src/cli/watch-changes.ts';
import { frame } from '../../src/cli/watch-screen.ts';
import type { Cluster } from '../../src/embedded/cluster.ts';
import { migrate, type NameStatus, readStatus } from '../../src/index.ts';
import { lockd, unnamed } from '../support/cli.ts';
import { startTestCluster } from '../support/cluster.ts';
import { createDatabase, query } from '../support/database.ts';
import { type Election, holdElection } from '../support/election.ts';
import { startCli, TestProcess } from '../support/processes.ts';
import { registered } from '../support/registered.ts';
import { until } from '../support/wait.ts';

const longTtl = { ttlMs: 60_000 } as const;

const watch = (url: string, ...args: string[]): TestProcess =>
  startCli(['watch', '--interval', '100ms', ...args], {
    env: { ...unnamed(), DATABASE_URL: url },
  });

test('in a pipe each change is a line with its time: who leads, ends, waits and leaves', async () => {
  await using election = await holdElection(longTtl);
  const first = await registered(election.lead('first'));
  await using watching = watch(election.url);
  const token = first.controller.term?.token;
  const line = await watching.line(/led {2}first leads \(token \d+, since \S+Z\)$/);
  expect(line).toContain(String(token));
  expect(Date.parse(line.split(' ')[0] ?? '')).toBeGreaterThan(0);
  const second = await registered(election.standBy('second'));
  await watching.line(/led {2}second waits$/);
  await first.controller.stop();
  await watching.line(/led {2}second leads \(token \d+, since \S+\), after first$/);
  await second.controller.stop();
  await watching.line(/led {2}second leads no more \(token \d+\): stopped$/);
  watching.signal('SIGTERM');
  expect(await watching.closed).toMatchObject({ code: ExitCode.ok });
  expect(watching.stderr).toEqual([]);
});

test('as JSON each line is an object; faults come and go, with what mends them', async () => {
  await using election = await holdElection(longTtl);
  const { controller } = await registered(election.lead('first'));
  await using watching = watch(election.url, election.name, '--json');
  const told = async (is: string) =>
    JSON.parse(await watching.line((line) => JSON.parse(line).is === is));
  expect(await told('leading')).toMatchObject({
    at: expect.stringMatching(/Z$/),
    name: election.name,
    label: 'first',
    token: String(controller.term?.token),
    after: null,
  });
  await query(election.url, `update lockd.instance set clock_offset_ms = 5000`);
  expect(await told('fault')).toMatchObject({
    fault: {
      code: 'clock-drift',
      about: controller.instance,
      remedy: expect.stringContaining('timedatectl'),
    },
  });
  await query(election.url, `update lockd.instance set clock_offset_ms = 0`);
  expect(await told('mended')).toMatchObject({ fault: { code: 'clock-drift' } });
  watching.signal('SIGINT');
  expect(await watching.closed).toMatchObject({ code: ExitCode.ok });
});

test('where nothing was ever led it says so, and waits', async () => {
  await using election = await holdElection(longTtl);
  await using watching = watch(election.url, 'led');
  await watching.line(/led {2}nobody has ever led it$/);
  await election.lead('first');
  await watching.line(/led {2}first leads/);
});

test('a reader that has seen enough ends it, quietly', async () => {
  await using election = await holdElection(longTtl);
  await registered(election.lead('first'));
  const cli = fileURLToPath(new URL('../../bin/lockd.js', import.meta.url));
  const line = `"${process.execPath}" "${cli}" watch --interval 100ms; echo "code $?" >&2`;
  await using piped = new TestProcess('sh', ['-c', `{ ${line}; } | head -1`], {
    env: { ...unnamed(), DATABASE_URL: election.url },
  });
  await piped.line(/first leads/);
  await election.standBy('second');
  await piped.line(/^code 0$/);
  await piped.closed;
  expect(piped.stderr).toEqual(['code 0']);
});

describe('a database that goes away', () => {
  let cluster: Cluster | undefined;
  beforeAll(async () => {
    cluster = await startTestCluster();
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  test('is said once, is waited for, and is told when it is back', async () => {
    await using database = await createDatabase(cluster?.url());
    await migrate({ connectionString: database.url });
    await using watching = watch(database.url);
    await watching.line(/ - {2}no name has ever been led$/);
    await cluster?.stop();
    await watching.line(/ - {2}cannot tell: /);
    await cluster?.start();
    await watching.line(/ - {2}can tell again$/);
    expect(watching.stdout.filter((line) => line.includes('cannot tell'))).toHaveLength(1);
  });
});

test.each([
  ['a database without the schema', ExitCode.unknown, /lockd migrate/],
  ['an interval that is too short', ExitCode.usage, /at least 100 ms/],
])('%s is said at once: %i', async (what, code, says) => {
  await using database = await createDatabase();
  const args = what.includes('interval') ? ['--interval', '99ms'] : [];
  const outcome = await lockd(['watch', ...args], { DATABASE_URL: database.url });
  expect(outcome.code).toBe(code);
  expect(outcome.stderr).toMatch(says);
});

const hasScript = spawnSync('script', ['--version']).status === 0;

test.skipIf(!hasScript)(
  'in a terminal it draws over what it drew, fits the window, and gives the terminal back',
  async () => {
    await using election = await holdElection(longTtl);
    const first = await registered(election.lead('first'));
    await using terminal = inTerminal(election, 'stty cols 100 rows 30');
    const output = () => terminal.stdout.join('\n');
    await until(() => output().includes('leading  first'));
    expect(output()).toMatch(entered);
    expect(output()).not.toMatch(left);
    await first.controller.stop();
    await until(() => output().includes('first leads no more'));
    terminal.write(ctrlC);
    expect(await terminal.closed).toMatchObject({ code: ExitCode.ok });
    expect(output().lastIndexOf('\u001b[?1049l')).toBeGreaterThan(output().lastIndexOf('\u001b[H'));
    expect(output()).toMatch(left);
  },
);

test.skipIf(!hasScript).each(['SIGTERM', 'SIGHUP'])(
  'ended with %s it gives the terminal back, too',
  async (signal) => {
    await using election = await holdElection(longTtl);
    await registered(election.lead('first'));
    const before = `${shellPid}; stty cols 100 rows 30`;
    await using terminal = inTerminal(election, before);
    const pid = Number((await terminal.line(/^pid \d+/)).slice(4));
    await until(() => terminal.stdout.join('\n').includes('leading  first'));
    process.kill(pid, signal as NodeJS.Signals);
    expect(await terminal.closed).toMatchObject({ code: ExitCode.ok });
    expect(terminal.stdout.join('\n')).toMatch(left);
  },
);

test.skipIf(!hasScript)('a window that changes its size is drawn anew', async () => {
  await using election = await holdElection(longTtl);
  await registered(election.lead('first'));
  const tty = `${shellPid}; tty; stty cols 100 rows 30`;
  await using terminal = inTerminal(election, tty, '60s');
  await terminal.line(/^pid/);
  const path = (await terminal.line(/^\/dev\//)).trim();
  const output = () => terminal.stdout.join('\n');
  await until(() => output().includes('leading  first'));
  expect(output()).not.toContain('more lines');
  // The last line of a picture has no end, and is told here by the next one.
  const pictures = () => output().split('lockd watch: every name').length - 1;
  for (const [rows, count] of [
    ['3', 2],
    ['30', 3],
  ] as const) {
    spawnSync('stty', ['-F', path, 'rows', rows]);
    await until(() => pictures() === count);
  }
  expect(output()).toContain('more lines: name one');
});

test.skipIf(!hasScript)(
  'stopped with Ctrl-Z it gives the terminal back, and takes it again',
  async () => {
    await using election = await holdElection(longTtl);
    await registered(election.lead('first'));
    await using terminal = inTerminal(election, `${shellPid}; stty cols 100 rows 30`);
    const pid = Number((await terminal.line(/^pid \d+/)).slice(4));
    const output = () => terminal.stdout.join('\n');
    await until(() => output().includes('leading  first'));
    process.kill(pid, 'SIGTSTP');
    await until(async () => {
      terminal.signal('SIGCONT'); // `script` stops with it
      process.kill(pid, 'SIGCONT');
      await sleep(100); // one after the other, or they do nothing but go on
      return output().split('\u001b[?1049h').length === 3;
    });
    expect(output().split('\u001b[?1049l')).toHaveLength(2);
    terminal.write(ctrlC);
    expect(await terminal.closed).toMatchObject({ code: ExitCode.ok });
  },
);

/** `exec` keeps it: the shell becomes the watcher. */
const shellPid = 'echo "pid $$"';
const ctrlC = '\u0003';
// biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal is told
const entered = /\u001b\[\?1049h\u001b\[\?25l/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal is told
const left = /\u001b\[\?25h\u001b\[\?1049l/;

function inTerminal(election: Election, before: string, interval = '100ms'): TestProcess {
  const cli = fileURLToPath(new URL('../../bin/lockd.js', import.meta.url));
  const words = [process.execPath, cli, 'watch', '--interval', interval];
  const line = `${before}; exec ${words.join(' ')}`;
  return new TestProcess('script', ['-qec', line, '/dev/null'], {
    env: { ...unnamed(), DATABASE_URL: election.url, TERM: 'xterm' },
  });
}

describe('what changes between two looks', () => {
  test('a first look tells what is there, as of now; a second one that is the same, nothing', async () => {
    await using election = await holdElection(longTtl);
    await registered(election.lead('first'));
    await registered(election.standBy('second'));
    const now = await readStatus({ connectionString: election.url });
    const changes = changesBetween(undefined, now);
    expect(changes.map(({ is }) => is)).toEqual(['leading', 'waiting']);
    expect(changes[0]?.at).toEqual(now[0]?.readAt);
    expect(changesBetween(now, now)).toEqual([]);
  });

  const at = new Date('2026-01-01T00:00:10Z');
  const term = (label: string, state: string, more: object = {}): NameStatus['leader'] =>
    ({
      label,
      state,
      instance: label,
      token: BigInt(label.length),
      since: new Date('2026-01-01T00:00:05Z'),
      lastBeatAgeMs: 12_345,
      ...more,
    }) as unknown as NameStatus['leader'];
  const status = (leader: NameStatus['leader'], more: Partial<NameStatus> = {}): NameStatus => ({
    name: 'bot',
    readAt: at,
    isLed: leader?.state === 'leading',
    leader,
    waiting: [],
    isInUse: true,
    seat: undefined,
    faults: [],
    ...more,
  });
  const waiter = (label: string) => ({ instance: label, label }) as NameStatus['waiting'][number];
  const ended = {
    endedAt: new Date('2026-01-01T00:00:08Z'),
    endedBy: 'release',
    endedReason: 'stopped',
  };

  test.each<[string, NameStatus | undefined, NameStatus, string[]]>([
    [
      'a leader where nobody was',
      status(undefined),
      status(term('b', 'leading')),
      ['00:00:05.000Z  bot  b leads (token 1, since 2026-01-01T00:00:05.000Z)'],
    ],
    [
      'a name that was not there',
      undefined,
      status(term('b', 'leading')),
      ['00:00:05.000Z  bot  b leads (token 1, since 2026-01-01T00:00:05.000Z)'],
    ],
    [
      'another leader',
      status(term('a', 'leading'), { waiting: [waiter('bb')] }),
      status(term('bb', 'leading')),
      ['00:00:05.000Z  bot  bb leads (token 2, since 2026-01-01T00:00:05.000Z), after a'],
    ],
    [
      'a silence',
      status(term('a', 'leading')),
      status(term('a', 'silent')),
      ['00:00:10.000Z  bot  a is silent (token 1): no beat for 12.3 s'],
    ],
    [
      'a silence that is over',
      status(term('a', 'silent')),
      status(term('a', 'leading')),
      ['00:00:10.000Z  bot  a leads (token 1, since 2026-01-01T00:00:05.000Z)'],
    ],
    [
      'a whole term that nobody saw',
      status(term('a', 'leading')),
      status(term('bb', 'ended', ended)),
      [
        '00:00:05.000Z  bot  bb leads (token 2, since 2026-01-01T00:00:05.000Z), after a',
        '00:00:08.000Z  bot  bb leads no more (token 2): stopped',
      ],
    ],
    [
      'who waits no more',
      status(term('a', 'leading'), { waiting: [waiter('b')] }),
      status(term('a', 'leading')),
      ['00:00:10.000Z  bot  b waits no more'],
    ],
  ])('%s', (_what, before, now, lines) => {
    const changes = changesBetween(before === undefined ? [] : [before], [now]);
    expect(changes.map(lineOf)).toEqual(lines.map((line) => `2026-01-01T${line}`));
  });

  test('a fault whose message goes on counting is the same one', () => {
    const beat = (seconds: number) =>
      ({ code: 'beat-overdue', message: `${seconds} s old`, remedy: 'kill -CONT 1' }) as const;
    const before = status(term('a', 'leading'), { faults: [beat(4)] });
    const now = status(term('a', 'leading'), { faults: [beat(5)] });
    expect(changesBetween([before], [now])).toEqual([]);
    const [come] = changesBetween([status(term('a', 'leading'))], [now]) as [Change];
    expect(lineOf(come)).toBe(
      '2026-01-01T00:00:10.000Z  bot  beat-overdue: 5 s old Run: kill -CONT 1',
    );
    const [gone] = changesBetween([now], [status(term('a', 'leading'))]) as [Change];
    expect(lineOf(gone)).toBe('2026-01-01T00:00:10.000Z  bot  beat-overdue is over');
  });

  test('a picture hides passwords, wraps what is wrong at blanks, and is never higher than the window', () => {
    const message = `told by postgres://u:secret@h/d ${'word '.repeat(40)}\u001b[2J`;
    const faults = [{ code: 'seat-held', message, remedy: 'lockd watch bot' }] as const;
    const picture = {
      title: 'lockd watch',
      names: [status(term('a', 'leading'), { faults })],
      away: 'postgres://u:secret@h/d',
      changes: [],
    };
    const lines = frame(picture, 60, 100);
    expect(lines.join('\n')).not.toContain('secret');
    expect(lines.join('\n')).not.toContain('\u001b');
    const wrong = lines.slice(lines.indexOf('WRONG'));
    expect(wrong.every((line) => line.length <= 60)).toBe(true);
    expect(wrong.at(-1)).toBe('  Run: lockd watch bot');
    expect(frame(picture, 60, 5)).toHaveLength(5);
  });
});
