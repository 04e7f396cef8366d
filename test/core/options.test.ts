import { describe, expect, test } from 'vitest';
import { LockdError } from '../../src/core/errors.ts';
import { type ControllerOptions, settleOptions } from '../../src/core/options.ts';

const settled = (options: Partial<ControllerOptions> = {}) =>
  settleOptions({ name: 'telegram-bot', ...options });

/** Refused with this message, and with the code that says so. */
function refused(options: object, message: string | RegExp): void {
  let thrown: unknown;
  try {
    settled(options);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(LockdError);
  expect(thrown).toMatchObject({ code: 'LOCKD_INVALID_OPTION', isRetryable: false });
  expect((thrown as Error).message).toMatch(/^Expected `\w+` to .+, got /s);
  if (typeof message === 'string') expect((thrown as Error).message).toBe(message);
  else expect((thrown as Error).message).toMatch(message);
}

describe('defaults', () => {
  test('are derived from the TTL and fit together', () => {
    const { rules, candidate, noticeIntervalMs } = settled();
    expect(rules).toMatchObject({
      ttlMs: 10_000,
      heartbeatMs: 2_000,
      marginMs: 100,
      takeover: 'safe',
      blockers: 'report',
      firstWaitMs: 250,
      maxWaitMs: 2_000,
      drainTimeoutMs: 25_000,
    });
    expect(candidate).toMatchObject({ ttlMs: 10_000, heartbeatMs: 2_000, passiveIdleMs: 2_000 });
    expect(candidate.label).toMatch(/:\d+$/);
    expect(noticeIntervalMs).toBe(60_000);
  });

  test.each([500, 501, 777, 1_000, 2_001, 10_000, 3_600_001, 86_400_000])(
    'hold for a TTL of %i ms, in whole milliseconds where a server keeps them',
    (ttlMs) => {
      const { rules, candidate } = settled({ ttlMs });
      expect(rules.heartbeatMs * 3).toBeLessThanOrEqual(ttlMs);
      expect(rules.marginMs).toBeGreaterThanOrEqual(Math.max(100, ttlMs / 100));
      expect(rules.maxWaitMs).toBeLessThanOrEqual(2_000);
      expect(rules.firstWaitMs).toBeLessThanOrEqual(rules.maxWaitMs);
      expect(Number.isInteger(candidate.heartbeatMs)).toBe(true);
      expect(Number.isInteger(candidate.passiveIdleMs)).toBe(true);
    },
  );

  test('make every controller an instance of its own, in both places that name it', () => {
    const [one, two] = [settled(), settled()];
    expect(one.candidate.instance).toBe(one.rules.instance);
    expect(one.rules.instance).not.toBe(two.rules.instance);
  });

  test('a passive session is not ended while it waits between two questions', () => {
    expect(settled({ ttlMs: 500 }).candidate.passiveIdleMs).toBe(250);
    expect(settled({ ttlMs: 3_000 }).candidate.passiveIdleMs).toBe(1_000);
    expect(settled({ ttlMs: 60_000 }).candidate.passiveIdleMs).toBe(12_000);
  });
});

describe('a name', () => {
  test.each([
    ['short', 'a'],
    ['200 characters long', 'a'.repeat(200)],
    ['200 characters long outside the first plane', '😀'.repeat(200)],
    ['SQL', "'; drop table x --"],
    ['quoted', 'Ω "x" %s'],
    ['of words', ' a b '],
  ])('may be %s', (_, name) => {
    expect(settled({ name }).candidate.name).toBe(name);
  });

  test.each([
    ['empty', ''],
    ['201 characters long', 'a'.repeat(201)],
    ['201 characters long outside the first plane', '😀'.repeat(201)],
    ['a space', ' '],
    ['only white space', '\u00a0 \u2003'],
    ['with a NUL', 'a\0b'],
    ['of two lines', 'line\nbreak'],
    ['with a tab', 'tab\t'],
    ['with a C1 control character', '\u0085'],
    ['half a surrogate pair', '\ud800'],
    ['missing', undefined],
    ['null', null],
    ['a number', 5],
  ])('may not be %s', (_, name) => {
    refused({ name }, /^Expected `name` to be 1 to 200 well-formed characters .*white space, got /);
  });

  test('that is refused is shown, but not without end, and then with its length', () => {
    refused({ name: `${'x'.repeat(79)}\n` }, /got "x{79}\\n"\.$/);
    refused({ name: '😀'.repeat(201) }, /got "(😀){80}"… \(201 characters\)\.$/);
  });
});

describe('a label', () => {
  test.each([
    ['empty', ''],
    ['too long', 'x'.repeat(201)],
    ['with a control character', 'bell\u0007'],
    ['a number', 5],
  ])('may not be %s', (_, label) => {
    refused({ label }, /^Expected `label` to be 1 to 200 well-formed characters/);
  });
});

describe('metadata', () => {
  test('that the database could never keep is refused when it is given, not retried for ever', () => {
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    const what =
      'Expected `metadata` to be an object that JSON can hold in 64 KiB, of well-formed text without NUL';
    const refusals: [unknown, string][] = [
      [circular, 'an object. Converting circular structure to JSON'],
      [{ big: 1n }, 'an object. Do not know how to serialize a BigInt'],
      [{ text: 'a\0b' }, 'an object. There is a NUL character in it.'],
      [{ ['a\0b']: 1 }, 'an object. There is a NUL character in it.'],
      [{ text: 'a\ud800' }, 'an object. There is half a surrogate pair in it.'],
      [{ text: '\\\udc00' }, 'an object. There is half a surrogate pair in it.'],
      [['a'], 'an array.'],
      ['text', '"text".'],
      [() => {}, 'a function.'],
    ];
    for (const [metadata, got] of refusals) refused({ metadata }, `${what}, got ${got}`);
  });

  test('may take 64 KiB as JSON, and no more: each status reads it of everybody who waits', () => {
    const filled = (bytes: number) => ({ text: 'ä'.repeat((bytes - '{"text":""}'.length) / 2) });
    const most = filled(64 * 1024 - 1);
    expect(settled({ metadata: most }).candidate.metadata).toBe(most);
    refused({ metadata: filled(64 * 1024 + 1) }, /64 KiB.*got an object\. It takes 65537 bytes\.$/);
  });

  test('may speak of what it may not hold', () => {
    const metadata = { text: '\\u0000 \\\\ud800', emoji: '😀', 'a\\': '\\' };
    expect(settled({ metadata }).candidate.metadata).toBe(metadata);
  });
});

describe('a duration', () => {
  test.each([
    ['ttlMs', 499, 500],
    ['heartbeatMs', 49, 50],
    ['marginMs', 99, 100],
    ['drainTimeoutMs', -1, 0],
    ['noticeIntervalMs', -1, 0],
  ])('`%s` may not be %i', (option, value, leastMs) => {
    refused(
      { [option]: value },
      `Expected \`${option}\` to be from ${leastMs} ms to a day, got ${value}.`,
    );
  });

  test.each(['firstWaitMs', 'maxWaitMs', 'reconnectMaxMs', 'connectTimeoutMs', 'callTimeoutMs'])(
    '`%s`, for which others wait, is not longer than a minute',
    (option) => {
      for (const value of [0, 60_001]) {
        refused(
          { [option]: value },
          `Expected \`${option}\` to be from 1 ms to a minute, got ${value}.`,
        );
      }
      expect(settled({ maxWaitMs: 60_000, [option]: 60_000 }).rules).toMatchObject({
        [option]: 60_000,
      });
    },
  );

  test.each([Number.NaN, Number.POSITIVE_INFINITY, 86_400_001, '10000', 10n])(
    'may not be %s',
    (ttlMs) => {
      refused({ ttlMs }, /^Expected `ttlMs` to be from 500 ms to a day, got /);
    },
  );
});

describe('what does not fit together', () => {
  test('a heartbeat is at most a third of the TTL', () => {
    refused(
      { ttlMs: 6_000, heartbeatMs: 2_001 },
      'Expected `heartbeatMs` to be at most a third of `ttlMs` (6000), got 2001. Lower it, or raise `ttlMs`.',
    );
    expect(settled({ ttlMs: 6_000, heartbeatMs: 2_000 }).rules.heartbeatMs).toBe(2_000);
  });

  test('a margin is at least 1 % of the TTL', () => {
    refused(
      { ttlMs: 60_000, marginMs: 599 },
      'Expected `marginMs` to be from 600 ms to a day, got 599.',
    );
    expect(settled({ ttlMs: 60_000, marginMs: 600 }).rules.marginMs).toBe(600);
  });

  test('a margin leaves room for two beats', () => {
    refused(
      { ttlMs: 6_000, heartbeatMs: 2_000, marginMs: 2_001 },
      'Expected `marginMs` to leave room for two beats of 2000 ms in `ttlMs` (6000), got 2001. Lower it or `heartbeatMs`, or raise `ttlMs`.',
    );
    expect(settled({ ttlMs: 6_000, heartbeatMs: 2_000, marginMs: 2_000 }).rules.marginMs).toBe(
      2_000,
    );
  });

  test('a first wait is not longer than the longest one', () => {
    refused(
      { firstWaitMs: 300, maxWaitMs: 200 },
      'Expected `firstWaitMs` to be at most `maxWaitMs` (200), got 300. Lower it, or raise `maxWaitMs`.',
    );
    refused({ firstWaitMs: 2_001 }, /^Expected `firstWaitMs` to be at most `maxWaitMs` \(2000\)/);
    expect(settled({ maxWaitMs: 200 }).rules.firstWaitMs).toBe(200);
  });

  test.each([0.9, 10.1, Number.NaN, '2'])('`waitFactor` may not be %o', (waitFactor) => {
    refused({ waitFactor }, /^Expected `waitFactor` to be a number from 1 to 10, got /);
  });

  test('words that are no choices are refused with the choices', () => {
    refused({ takeover: 'fats' }, "Expected `takeover` to be one of 'safe', 'fast', got \"fats\".");
    refused(
      { fenceBlockers: true },
      "Expected `fenceBlockers` to be one of 'report', 'terminate', got true.",
    );
  });
});

describe('what is called later is looked at now', () => {
  const logger =
    'Expected `logger` to be an object with the methods `debug`, `info`, `warn`, `error`';
  const clock = 'Expected `clock` to be an object with the methods `mono`, `boot`, `setTimer`';
  const info = () => {};

  test.each<[object, string]>([
    [{ logger: info }, `${logger}, got a function.`],
    [{ logger: { info } }, `${logger}, got an object without \`debug\`, \`warn\`, \`error\`.`],
    [{ logger: 'pino' }, `${logger}, got "pino".`],
    [{ clock: {} }, `${clock}, got an object.`],
    [{ clock: Date }, `${clock}, got a function.`],
    [{ random: 5 }, 'Expected `random` to be a function, got 5.'],
  ])('%o is refused', (options, message) => refused(options, message));

  test('a logger may have its methods from its class, or be a function with methods', () => {
    expect(settled({ logger: console }).logger).toBe(console);
    const callable = Object.assign(() => {}, console);
    expect(settled({ logger: callable }).logger).toBe(callable);
  });
});
