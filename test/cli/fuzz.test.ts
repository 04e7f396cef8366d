import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { ExitCode } from '../../src/cli/exit-codes.ts';
import { main } from '../../src/cli/main.ts';
import { printable } from '../../src/cli/output.ts';
import { holdElection } from '../support/election.ts';

const secret = 'xyzzy42';

afterEach(() => vi.unstubAllEnvs());

test('whatever the words and variables are: a documented code, a sentence, no secret, nothing that moves a cursor', async () => {
  await using election = await holdElection({});
  await election.lead('leader');
  const codes = new Set<number>();
  await fc.assert(
    fc.asyncProperty(callsOn(election.url, election.name), async ({ args, variables }) => {
      const { code, stdout, stderr } = await call(args, variables);
      codes.add(code);
      expect(documented).toContain(code);
      expect(stdout + stderr).not.toContain(secret);
      expect(stderr).toBe(printable(stderr));
      if (code === ExitCode.usage) expect((stdout + stderr).trim()).not.toBe('');
      if (stdout.startsWith('{')) JSON.parse(stdout);
      else expect(stdout).toBe(printable(stdout));
    }),
    { numRuns: 600 },
  );
  // Not all of it was refused at the door, and not all of it is the same.
  expect([...codes]).toEqual(expect.arrayContaining([0, 64]));
  expect(codes.size).toBeGreaterThanOrEqual(3);
}, 120_000);

/** All that needs no process of its own, and none of these is a bug. */
const documented: readonly number[] = [
  ExitCode.ok,
  ExitCode.nobody,
  ExitCode.unknown,
  ExitCode.usage,
  ExitCode.unavailable,
];

interface Call {
  readonly args: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
}

/** From what is right to what is nonsense. */
function callsOn(url: string, name: string): fc.Arbitrary<Call> {
  const values = valuesOn(url);
  // Never the database for development: it would be made.
  return fc
    .record({ args: words(name, values), variables: variablesOf(values) })
    .map(({ args, variables }) => ({ args, variables: { DATABASE_URL: url, ...variables } }));
}

type Values = Readonly<Record<string, fc.Arbitrary<string>>>;

const noise = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom(
    '',
    '-',
    '-x',
    '--',
    '\u001b[2J',
    '\u202e',
    '0',
    '-1',
    'NaN',
    '__proto__',
    '../x',
  ),
  fc.string({ minLength: 200, maxLength: 300 }),
);

const orNoise = (...sensible: string[]): fc.Arbitrary<string> =>
  fc.oneof(fc.constantFrom(...sensible), noise);

const duration = orNoise('10s', '250ms', '1.5s', '0s', '9e9s', '5m', '9999h');

/** What a flag, or its variable, may be given. */
const valuesOn = (url: string): Values => ({
  'database-url': addresses(url),
  schema: orNoise('lockd', 'elsewhere', 'Robert"; --'),
  label: noise,
  ttl: duration,
  heartbeat: duration,
  grace: duration,
  timeout: duration,
  stale: duration,
  wait: duration,
  permits: orNoise('0', '3'),
  reason: orNoise('why'),
  by: noise,
  'drain-timeout': duration,
  takeover: orNoise('safe', 'fast'),
  'log-level': orNoise('silent', 'debug'),
  json: fc.constantFrom('1', '0', 'yes', 'perhaps', ''),
  migrate: fc.constantFrom('1', '0', 'perhaps'),
});

/** The right one more often than the others: else nothing would be asked of it. */
const addresses = (url: string): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(url) },
    fc.constantFrom(
      `postgres://u:${secret}@127.0.0.1:1/d`,
      `postgres://u:${secret}@127.0.0.1:99999/d`,
      `postgres://u:${secret}@%zz/d`,
      `postgres://u:${secret} @@127.0.0.1:1/d`,
      `postgresql://127.0.0.1:1/d?password=${secret}`,
      `host=127.0.0.1 port=1 password='${secret}'`,
      `${url}_missing`,
    ),
    noise.map((text) => `postgres://u:${secret}@127.0.0.1:1/${text}`),
  );

/** A verb, names and flags; `run` and `lock` without their dashes, or they would run something, and no demo. */
function words(name: string, values: Values): fc.Arbitrary<readonly string[]> {
  const verb = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('status', 'resign', 'locks', 'unlock', 'migrate') },
    orNoise('run', 'lock', 'help', 'statsu', '--help', '--version', 'status --json'),
  );
  const names = fc.array(orNoise(name, 'nobody', `postgres://u:${secret}@127.0.0.1:1/d`), {
    maxLength: 2,
  });
  return fc
    .tuple(verb, names, fc.array(flag(values), { maxLength: 3 }))
    .map(([first, named, flags]) => [first, ...named, ...flags.flat()])
    .map((all) =>
      ['run', 'lock'].includes(all[0] ?? '') ? all.filter((word) => word !== '--') : all,
    )
    .filter((all) => !all.includes('demo'));
}

/** With its value behind it, beside it, or forgotten. */
const flag = (values: Values): fc.Arbitrary<readonly string[]> =>
  entryOf(values).chain(([key, value]) =>
    key === 'json' || key === 'migrate'
      ? fc.constant([`--${key}`])
      : fc.constantFrom([`--${key}`, value], [`--${key}=${value}`], [`--${key}`]),
  );

const variablesOf = (values: Values): fc.Arbitrary<Readonly<Record<string, string>>> =>
  fc
    .array(
      entryOf(values).map(([key, value]): [string, string] => [
        `LOCKD_${key.replaceAll('-', '_').toUpperCase()}`,
        value,
      ]),
      { maxLength: 2 },
    )
    .map((entries) => Object.fromEntries(entries));

const entryOf = (values: Values): fc.Arbitrary<readonly [string, string]> =>
  fc
    .constantFrom(...Object.entries(values))
    .chain(([key, value]) => value.map((text) => [key, text] as const));

/** In this process, as bin/lockd.js does it. */
async function call(
  args: readonly string[],
  variables: Readonly<Record<string, string>>,
): Promise<{ code: number; stdout: string; stderr: string }> {
  let [stdout, stderr] = ['', ''];
  const out = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += text;
    return true;
  });
  const err = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += text;
    return true;
  });
  const streams = [process.stdout, process.stderr];
  const listeners = streams.map((stream) => stream.listeners('error'));
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  try {
    const code = await main(['node', 'lockd', ...args]);
    return { code, stdout, stderr };
  } finally {
    vi.unstubAllEnvs();
    out.mockRestore();
    err.mockRestore();
    for (const [index, stream] of streams.entries()) {
      stream.removeAllListeners('error');
      for (const listener of listeners[index] ?? []) stream.on('error', listener as () => void);
    }
  }
}
