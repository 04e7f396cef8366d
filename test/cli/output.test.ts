import { expect, test } from 'vitest';
import { formatDuration, parseDuration } from '../../src/cli/duration.ts';
import { ExitCode, exitMeanings } from '../../src/cli/exit-codes.ts';
import { prettyLine } from '../../src/cli/log.ts';
import { cell, redact, table } from '../../src/cli/output.ts';
import { messageOf } from '../../src/core/errors.ts';
import { built } from '../support/built.ts';
import { TestProcess } from '../support/processes.ts';

test.for([
  ['10s', 10_000],
  ['1.5s', 1_500],
  ['250ms', 250],
  ['0s', 0],
  ['1.5m', 90_000],
  ['1h', 3_600_000],
] as const)('%s is a duration of %i ms', ([text, ms]) => {
  expect(parseDuration(text)).toBe(ms);
});

test.for(['', '10', 's', '-1s', '1e3s', '1 s', '10S', '10sec', '0.5ms', '1.2345s', '٣s'])(
  '%j is no duration',
  (text) => {
    expect(parseDuration(text)).toBeUndefined();
  },
);

test.for([
  [7, '7 ms'],
  [1_250, '1.3 s'],
  [59_900, '59 s'],
  [61_000, '1 min 1 s'],
  [7_260_000, '2 h 1 min'],
  [259_200_000, '3 d 0 h'],
] as const)('%i ms reads as %s', ([ms, text]) => {
  expect(formatDuration(ms)).toBe(text);
});

test('no two exit codes share a number, and each has a meaning', () => {
  const codes = Object.values(ExitCode);
  expect(new Set(codes).size).toBe(codes.length);
  expect(Object.keys(exitMeanings)).toEqual(Object.keys(ExitCode));
});

test.for([
  ['postgres://u:secret@h/d', 'postgres://u:***@h/d'],
  ['at postgres://u:se:c@re t@h/d now', 'at postgres://u:***@h/d now'],
  ['PGPASSWORD=secret psql', 'PGPASSWORD=*** psql'],
  [`password='se cret' host=h`, 'password=*** host=h'],
  ['postgres://u@h/d?password=secret&x=1', 'postgres://u@h/d?password=***&x=1'],
  ['nothing to hide: a@b', 'nothing to hide: a@b'],
])('%s is shown as %s', ([text, shown]) => {
  expect(redact(text as string)).toBe(shown);
});

test('columns are as wide as their widest cell, and no line ends in blanks', () => {
  expect(
    table(
      ['A', 'B'],
      [
        ['long', ''],
        ['x', 'y'],
      ],
    ),
  ).toBe('A     B\nlong\nx     y');
  expect(cell('a\nb\u001b\u202e')).toBe('a\\u{a}b\\u{1b}\\u{202e}');
});

test('an error that says nothing itself speaks through those it holds', () => {
  const both = new AggregateError([new Error('refused on ::1'), new Error('refused on 127.0.0.1')]);
  expect(messageOf(both)).toBe('refused on ::1; refused on 127.0.0.1');
  expect(messageOf(new Error('', { cause: both }))).toContain('refused on ::1');
});

test('a log line for people has time, level, message and fields, in one line', () => {
  const line = { time: '2026-11-20T20:45:17.123Z', level: 'info', pid: 1, msg: 'became active' };
  expect(prettyLine(JSON.stringify({ ...line, token: '17', label: 'a b', note: 'x\ny' }))).toBe(
    '20:45:17.123 info  became active  token=17 label="a b" note="x\\ny"',
  );
});

test('log lines are JSON on stderr, tokens as strings, and complete at exit', async () => {
  const script = `
    import { createLog } from ${JSON.stringify(built('cli/log.js').href)};
    const log = createLog({ level: 'info', fields: { role: 'test' } });
    log.debug({}, 'unheard');
    for (let n = 0; n < 1000; n += 1) log.info({ token: 2n ** 62n, n }, 'counted');
    log.error({ cause: new Error('postgres://u:secret@h') }, 'failed');
    process.exit(3);`;
  await using child = new TestProcess(process.execPath, ['--input-type=module', '-e', script]);
  await child.closed;
  const lines = child.stderr.map((line) => JSON.parse(line));
  expect(lines).toHaveLength(1001);
  expect(lines[0]).toMatchObject({
    level: 'info',
    role: 'test',
    token: String(2n ** 62n),
    msg: 'counted',
  });
  expect(lines.at(-1)).toMatchObject({ level: 'error', cause: 'postgres://u:***@h' });
});
