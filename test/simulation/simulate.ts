import { parseArgs } from 'node:util';
import { check, type Found } from './check.ts';
import { check as checkHolds } from './holds/check.ts';
import { Tally } from './tally.ts';

/** So many schedules come from one seed; the next ones from the next. */
const perSeed = 10_000;

/** See simulate.js. Returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      of: { type: 'string', default: 'leaders' },
      runs: { type: 'string', default: '20000' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 30)) },
      path: { type: 'string' },
    },
  });
  const { path, of } = values;
  if (of !== 'leaders' && of !== 'holds') throw new Error('--of leaders, or --of holds');
  const play = of === 'holds' ? checkHolds : check;
  const tally = new Tally();
  let left = path === undefined ? Number(values.runs) : 1;
  for (let seed = Number(values.seed); left > 0; seed += 1) {
    const found = await play({ runs: Math.min(left, perSeed), seed, path });
    console.log(`seed ${seed}: ${inWords(found, of)}`);
    if (found.failure !== undefined) return 1;
    tally.add(found.tally);
    left -= perSeed;
  }
  console.log(String(tally));
  return 0;
}

export function inWords(
  { runs, seconds, virtualHours, failure }: Found,
  of: 'leaders' | 'holds' = 'leaders',
): string {
  const pace = `${runs} schedules, ${virtualHours.toFixed(0)} virtual hours in ${seconds.toFixed(1)} s`;
  if (failure === undefined) return `${pace}, every promise was kept`;
  const { story, message, seed, path } = failure;
  return `${pace}\n${story}\n\n${message}\n\nAgain: npm run simulate -- ${of === 'holds' ? '--of holds ' : ''}--seed ${seed} --path ${path}`;
}
