/** Handing over between two processes: from before the release to the other one's having it. */
import { startAdvisory, startLocks } from '../contender.js';
import { ms, summary, table } from '../figures.js';

/** Long enough for the other one to stand in line again. */
const holdMs = 15;

export async function turns(database, { slices, isWanted, progress }) {
  if (!isWanted('turns')) return undefined;
  const sliceMs = 500;
  progress(`turns: ${slices} slices of ${sliceMs} ms each`);
  const options = { connectionString: database.url };
  const kinds = [
    { is: 'pg_advisory_lock', pair: [startAdvisory(options), startAdvisory(options)], taken: [] },
    { is: 'acquire', pair: [startLocks(options), startLocks(options)], taken: [] },
  ];
  const everybody = kinds.flatMap(({ pair }) => pair);
  await Promise.all(everybody.map((contender) => contender.next('ready')));
  for (let slice = 0; slice <= slices; slice += 1) {
    for (const { pair, taken } of kinds) {
      const told = await Promise.all(pair.map((each) => each.ask(`turns ${sliceMs} ${holdMs}`)));
      if (slice > 0) taken.push(...handovers(told)); // the first one warms up
    }
  }
  await Promise.all(everybody.map((contender) => contender.end()));
  return kinds.map(({ is, taken }) => ({ is, taken: summary(taken) }));
}

/** Of what both say: when they had it, and when they let go. */
function handovers(told) {
  const all = told
    .flatMap((flat, who) =>
      Array.from({ length: flat.length / 2 }, (_, index) => ({
        who,
        hadAt: flat[2 * index],
        leftAt: flat[2 * index + 1],
      })),
    )
    .sort((one, other) => one.hadAt - other.hadAt);
  return all
    .slice(1)
    .flatMap((turn, index) =>
      turn.who === all[index].who ? [] : [turn.hadAt - all[index].leftAt],
    );
}

export const turnsText = (measured) =>
  table(
    ['hand-over, ms', 'n', 'min', 'median', 'p95', 'max', '× floor'],
    measured.map(({ is, taken: { n, min, median, p95, max } }) => [
      is,
      n,
      ms(min),
      ms(median),
      ms(p95),
      ms(max),
      (median / measured[0].taken.median).toFixed(2),
    ]),
  );
