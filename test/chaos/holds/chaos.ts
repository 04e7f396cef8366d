import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { forgetfulOf, trustingOf } from './controls.ts';
import { roundLine, textReport } from './report.ts';
import { type HoldRun, type HoldRunSettings, playHolds } from './run.ts';
import { isClean, whyUncounted } from './verdict.ts';

export interface HoldChaos {
  readonly settings: Pick<
    HoldRunSettings,
    'seed' | 'rounds' | 'first' | 'minutes' | 'faults' | 'ttlMs' | 'signal'
  >;
  readonly controlRounds: number;
  readonly folder: string;
}

/** The chaos of holds, as `npm run chaos -- --of holds` plays it. Returns the exit code. */
export async function chaosOfHolds(chaos: HoldChaos): Promise<number> {
  const { settings, controlRounds, folder } = chaos;
  const full: HoldRunSettings = {
    ...settings,
    kinds: ['guarded-holder', 'holder', 'guarded-holder', 'holder'],
    isTrusting: false,
    isForgetful: false,
    told: (round) => console.log(roundLine(round)),
  };
  const run = await playHolds({ ...full, keep: join(folder, 'hold-claims') });
  await write(folder, 'holds', run);
  const controls: HoldRun[] = [];
  for (const of of controlRounds > 0 ? [trustingOf, forgetfulOf] : []) {
    if (settings.signal?.aborted === true) break;
    console.log('\npositive control:');
    const control = await playHolds(of(full, controlRounds));
    await write(folder, `holds-control-${controls.length + 1}`, control);
    controls.push(control);
  }
  const doubt = whyUncounted(run, controls);
  if (doubt !== undefined) console.log(`\nthe run does not count: ${doubt}`);
  return isClean(run) && doubt === undefined ? 0 : 1;
}

async function write(folder: string, name: string, run: HoldRun): Promise<void> {
  const report = textReport(run);
  console.log(`\n${report}`);
  const lines = [...run.rounds.map(roundLine), '', report, ''];
  await writeFile(join(folder, `${name}.txt`), lines.join('\n'));
  await writeFile(join(folder, `${name}-evidence.txt`), run.evidence.join('\n\n'));
}
