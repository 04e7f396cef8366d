import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Fault } from './fault.ts';
import { faults, telling } from './faults/all.ts';
import { chaosOfHolds } from './holds/chaos.ts';
import type { Kind } from './instance.ts';
import { inWords, planned } from './plan.ts';
import { missLine, roundLine, textReport } from './report.ts';
import { play, type Run, type RunSettings } from './run.ts';
import { timeline } from './timeline.ts';
import { hasTold, isClean, whyUncounted } from './verdict.ts';

/** See chaos.js. Returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      of: { type: 'string', default: 'leaders,holds' },
      rounds: { type: 'string', default: '60' },
      minutes: { type: 'string', default: 'Infinity' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      first: { type: 'string', default: '1' },
      only: { type: 'string' },
      ttl: { type: 'string', default: '1500' },
      instances: { type: 'string', default: 'run,guarded,run,plain' },
      control: { type: 'string', default: '60' },
      out: { type: 'string' },
      plan: { type: 'boolean', default: false },
    },
  });
  const stop = new AbortController();
  const settings: RunSettings = {
    seed: Number(values.seed),
    rounds: Number(values.rounds),
    first: Number(values.first),
    minutes: Number(values.minutes),
    faults: named(values.only),
    ttlMs: Number(values.ttl),
    kinds: values.instances.split(',') as Kind[],
    takeover: 'safe',
    isFenced: true,
    signal: stop.signal,
    told: (round) => console.log(roundLine(round)),
    missed: (plan) => console.log(missLine(plan)),
  };
  console.log(`seed ${settings.seed}`);
  if (values.plan) {
    printPlan(settings);
    return 0;
  }
  const folder = values.out ?? (await mkdtemp(join(tmpdir(), 'lockd-chaos-report-')));
  const end = (): void => stop.abort();
  process.once('SIGINT', end).once('SIGTERM', end);
  const played = values.of.split(',');
  const controlRounds = Number(values.control);
  try {
    await mkdir(folder, { recursive: true });
    const codes: number[] = [];
    if (played.includes('leaders'))
      codes.push(await chaosOfLeaders(settings, controlRounds, folder));
    if (played.includes('holds'))
      codes.push(await chaosOfHolds({ settings, controlRounds, folder }));
    console.log(`\n${folder}`);
    return Math.max(...codes);
  } finally {
    process.off('SIGINT', end).off('SIGTERM', end);
  }
}

async function chaosOfLeaders(
  settings: RunSettings,
  controlRounds: number,
  folder: string,
): Promise<number> {
  const run = await play({ ...settings, keep: join(folder, 'claims') });
  await write(folder, 'chaos', run);
  const control = await playControl(settings, controlRounds, folder);
  const doubt = whyUncounted(run, control);
  if (doubt !== undefined) console.log(`\nthe run does not count: ${doubt}`);
  return isClean(run) && doubt === undefined ? 0 : 1;
}

/** The same without what keeps the promise: were nothing wrong there either, a clean run would say nothing. */
async function playControl(
  settings: RunSettings,
  rounds: number,
  folder: string,
): Promise<Run | undefined> {
  if (rounds === 0 || settings.signal?.aborted === true) return undefined;
  console.log('\npositive control:');
  const control = await play(controlOf(settings, rounds));
  await write(folder, 'control', control);
  return control;
}

/**
 * `takeover: 'fast'`, no guard, no fence, and the run's faults until they have told. Of a run of a few
 * faults alone none may tell: those that do are played as well.
 */
export const controlOf = (settings: RunSettings, rounds: number): RunSettings => ({
  ...settings,
  rounds,
  isEnough: hasTold,
  faults: [...new Set([...settings.faults, ...telling])],
  kinds: settings.kinds.map(() => 'plain'),
  takeover: 'fast',
  isFenced: false,
});

function named(only: string | undefined): readonly Fault[] {
  if (only === undefined) return faults;
  const found = faults.filter(({ id }) => only.split(',').includes(id));
  if (found.length > 0) return found;
  throw new Error(`There is no such fault; there are ${faults.map(({ id }) => id).join(', ')}`);
}

function printPlan({ seed, first = 1, rounds, faults, ttlMs }: RunSettings): void {
  for (let number = first; number < first + rounds; number += 1) {
    console.log(inWords(planned(seed, number, faults, ttlMs)));
  }
}

async function write(folder: string, name: string, run: Run): Promise<void> {
  const report = textReport(run);
  console.log(`\n${report}`);
  await writeFile(
    join(folder, `${name}.txt`),
    [...run.rounds.map(roundLine), '', report, ''].join('\n'),
  );
  await writeFile(join(folder, `${name}-evidence.txt`), run.evidence.join('\n\n'));
  await writeFile(join(folder, `${name}.svg`), timeline(run));
}
