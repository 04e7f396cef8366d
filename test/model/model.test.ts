import { copyFile, readFile } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../support/folder.ts';
import { TestProcess } from '../support/processes.ts';

const model = fileURLToPath(new URL('lockd.pml', import.meta.url));

/** Why the model cannot be run; undefined where it can. */
const missing = (await missingTool('spin', '-V')) ?? (await missingTool('cc', '--version'));
if (missing !== undefined) console.log(`Tests of the model are skipped: ${missing}`);

/** Which part of what is promised breaks, as the assertions of the model have it. */
const broken = {
  'one at a time': /works/,
  fast: /handed/,
  fenced: /\.term==term|row\.token>issued/,
};

type Promised = keyof typeof broken;

const promotion = ['PROMOTION', 'TTL_0=2', 'TTL_1=2'];

describe.skipIf(missing !== undefined)('the model', { timeout: 180_000 }, () => {
  describe('keeps every promise, whatever happens in which order', () => {
    test.each<[world: string, defines: readonly string[], atLeast: number]>([
      ['ends of sessions, crashes, slow clocks, unequal TTLs', [], 2_000_000],
      ['a promotion that loses writes', [...promotion, 'TERMS=2', 'PUNCTUAL'], 1_000_000],
      ['a promotion after two terms', [...promotion, 'BEATS=0', 'PUNCTUAL'], 1_000_000],
      ['fenced transactions', ['FENCE'], 300_000],
    ])('with %s', async (_world, defines, atLeast) => {
      const { states, untaken } = await safe(defines);
      expect(states).toBeGreaterThan(atLeast);
      expect(untaken, 'steps that were never taken').toEqual([]);
    });
  });

  describe('needs every rule', () => {
    test.each<[promised: Promised, because: string, without: string, world?: readonly string[]]>([
      ['one at a time', 'a seat that came free proves nothing', 'WAIT'],
      ['one at a time', 'the lease that runs out is the predecessor’s, not one’s own', 'ROW_TTL'],
      ['one at a time', 'the gate asks the clock', 'DEADLINE'],
      ['one at a time', 'trust counts from the sending, not from the answer', 'SENT_DEADLINE'],
      ['one at a time', 'the margin covers a clock that is slow', 'MARGIN'],
      ['one at a time', 'a sighting is of the row’s token', 'SIGHTING_TOKEN'],
      ['one at a time', 'a sighting is of the row’s latest beat', 'SIGHTING_BEAT'],
      ['one at a time', 'over a promotion marks and beats say nothing', 'HISTORY', promotion],
      ['one at a time', 'what was acknowledged is durable', 'DURABLE_WRITES', promotion],
      ['one at a time', 'a takeover is a compare-and-set', 'TAKEOVER_CAS'],
      ['one at a time', 'a takeover needs the seat', 'TAKEOVER_SEAT'],
      ['one at a time', 'a beat needs the seat', 'BEAT_SEAT'],
      ['one at a time', 'a mark is for one token', 'MARK_TOKEN'],
      ['one at a time', 'a release comes after the drain', 'RELEASE_AFTER_DRAIN'],
      ['one at a time', 'a confession comes after the drain', 'CONFESSION_AFTER_DRAIN'],
      ['one at a time', 'a testimony comes after the last death', 'TESTIMONY_AFTER_DEATH'],
      ['one at a time', 'nobody campaigns beside old work of its own', 'OWN_DRAIN'],
      ['fast', 'the mark is committed before the seat is free', 'MARK_BEFORE_UNLOCK'],
      ['fenced', 'each term has a new token', 'TOKEN_BUMP', ['FENCE']],
      ['fenced', 'a token outgrows lost ones', 'TOKEN_CLOCK', promotion],
      ['fenced', 'a fenced transaction compares its token', 'FENCE_CHECK', ['FENCE']],
      ['fenced', 'a takeover waits for fenced transactions', 'FENCE_GATE', ['FENCE']],
    ])('for “%s”: %s', async (promised, _because, without, world = []) => {
      expect(await counterExample([...world, `WITHOUT_${without}`])).toMatch(broken[promised]);
    });
  });

  describe('has a second line', () => {
    test.each<[rule: string, first: string, second: string, world: readonly string[]]>([
      [
        'where the seat goes with its session: the lease is read after the grant, or a takeover is a compare-and-set',
        'READ_AFTER_GRANT',
        'TAKEOVER_CAS',
        ['ORDERLY', 'PUNCTUAL', 'TERMS=2'],
      ],
      [
        'behind a late beat: it is for its own token, or its answer revives nothing',
        'BEAT_TOKEN',
        'TIME_FIRST',
        ['TERMS=2'],
      ],
    ])('%s', async (_rule, first, second, world) => {
      await safe([...world, `WITHOUT_${first}`]);
      await safe([...world, `WITHOUT_${second}`]);
      const both = [...world, `WITHOUT_${first}`, `WITHOUT_${second}`];
      expect(await counterExample(both)).toMatch(broken['one at a time']);
    });
  });

  test('shows what is not promised: a promotion that lost a takeover with a longer TTL', async () => {
    expect(await counterExample(['PROMOTION', 'TTL_0=3', 'TTL_1=2'])).toMatch(
      broken['one at a time'],
    );
  });
});

test('every rule that the model can do without is tried', async () => {
  const [text, tests] = await Promise.all([
    readFile(model, 'utf8'),
    readFile(fileURLToPath(import.meta.url), 'utf8'),
  ]);
  const rules = new Set([...text.matchAll(/WITHOUT_([A-Z_]+)/g)].map(([, rule]) => rule as string));
  expect(rules.size).toBeGreaterThan(20);
  expect([...rules].filter((rule) => !tests.includes(`'${rule}'`))).toEqual([]);
});

interface Search {
  readonly states: number;
  /** Steps of the model that no run has taken. */
  readonly untaken: readonly string[];
}

/** Every state there is, and none of them breaks a promise. */
async function safe(defines: readonly string[]): Promise<Search> {
  // Deep enough for any run of these worlds; a run that is deeper is reported as an error.
  const report = await search(defines, ['-O1'], ['-m100000']);
  expect(report).toMatch(/errors: 0$/m);
  expect(report).toMatch(/^Full statespace search/m);
  expect(report).not.toMatch(/not completed|too small|out of memory|truncated|resource/i);
  const unreached = [...report.matchAll(/^\t.*\.pml:(\d+), state \d+, "(.*)"$/gm)];
  return {
    states: Number(/^\s*(\d+) states, stored/m.exec(report)?.[1]),
    untaken: unreached
      .filter(([, , step]) => step !== '-end-')
      .map(([, line, step]) => `${line}: ${step}`),
  };
}

/** The assertion that the shortest run to any violation violates. */
async function counterExample(defines: readonly string[]): Promise<string> {
  const report = await search(defines, ['-O0', '-DBFS'], []);
  expect(report).toMatch(/errors: 1$/m);
  return /assertion violated (.*) \(at depth \d+\)/.exec(report)?.[1] ?? report;
}

async function search(
  defines: readonly string[],
  compiler: readonly string[],
  flags: readonly string[],
): Promise<string> {
  await using folder = await temporaryFolder();
  await copyFile(model, join(folder.path, 'lockd.pml'));
  const run = (command: string, args: readonly string[]) => output(command, args, folder.path);
  await run('spin', ['-a', ...defines.map((define) => `-D${define}`), 'lockd.pml']);
  // No reduction: all steps touch the same row. Memory in MB, beyond which the search is incomplete.
  const options = ['-DSAFETY', '-DNOREDUCE', '-DMEMLIM=1400'];
  await run('cc', ['-w', ...options, ...compiler, '-o', 'pan', 'pan.c']);
  return await run(join(folder.path, 'pan'), flags);
}

/** What a command said; that it failed is an error. */
async function output(command: string, args: readonly string[], cwd: string): Promise<string> {
  await using child = new TestProcess(command, args, { cwd });
  try {
    // Other tests, which wait for leases, come first.
    setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // It is through already, or the system has no priorities.
  }
  const { code, signal } = await child.closed;
  const said = [...child.stdout, ...child.stderr].join('\n');
  if (code !== 0) throw new Error(`\`${command}\` failed (${signal ?? code}):\n${said}`);
  return said;
}

async function missingTool(command: string, flag: string): Promise<string | undefined> {
  try {
    await output(command, [flag], '.');
    return undefined;
  } catch (error) {
    return `\`${command}\` does not run here: ${(error as Error).message}`;
  }
}
