import { parseArgs } from 'node:util';
import { holdSchedules, schedulesPerSeed } from '../scale.ts';
import { coreMutants } from './core.ts';
import { holdMutants } from './holds.ts';
import { hunt, type Mutant } from './mutant.ts';
import { serverMutants } from './server.ts';

const all = { core: coreMutants, server: serverMutants, holds: holdMutants };

/**
 * Lets each mistake loose on the schedules that CI plays, and says which promise it broke, and how
 * many schedules that took. See mutants.js. Returns the exit code: 1 when a mistake goes unnoticed, or
 * is noticed by another promise than the one that it breaks.
 */
export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      of: { type: 'string' },
      only: { type: 'string', default: '' },
      seed: { type: 'string' },
    },
  });
  const groups = Object.entries(all).filter(([group]) => (values.of ?? group) === group);
  const mutants = groups.flatMap(([, group]) => group);
  let survivors = 0;
  for (const mutant of mutants.filter(({ name }) => name.includes(values.only))) {
    const seed = Number(values.seed ?? mutant.seed ?? 1);
    if (!(await isCaught(mutant, seed, values.only !== ''))) survivors += 1;
  }
  console.log(`${survivors} mistakes go unnoticed`);
  return survivors === 0 ? 0 : 1;
}

async function isCaught(mutant: Mutant, seed: number, isTold: boolean): Promise<boolean> {
  const { name, breaks, caughtBy } = mutant;
  if (caughtBy === 'replay') {
    console.log(row('the replay on a real server', '', '', name));
    return true;
  }
  const began = performance.now();
  // Shrinking takes longer than finding: only for one that somebody wants to read about.
  const isOfHolds = holdMutants.includes(mutant);
  const runs = isOfHolds ? holdSchedules : schedulesPerSeed;
  const wanted = { runs, seed, endOnFailure: !isTold };
  const failure = await hunt(mutant, wanted, isOfHolds ? 'holds/check.ts' : 'check.ts');
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const by = failure?.invariant ?? 'NOBODY';
  const isMeant = breaks.some((promise) => promise === by);
  const note = isMeant || failure === undefined ? '' : ` (MEANT: ${breaks.join(' or ')})`;
  console.log(row(by, failure?.runs ?? '', `${seconds} s`, `${name}${note}`));
  if (isTold && failure !== undefined) console.log(`${failure.story}\n${failure.message}`);
  return isMeant;
}

const row = (by: string, after: number | string, seconds: string, name: string): string =>
  `${by.padEnd(28)} ${String(after).padStart(5)} ${seconds.padStart(7)}  ${name}`;
