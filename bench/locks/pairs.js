/** Taking and giving back what nobody else wants, beside a bare client that does so on one session. */
import { startAdvisory, startLocks } from '../contender.js';
import { summary, table } from '../figures.js';

const callers = [1, 32];

/** In turns, each for so short a time that a noisy neighbour is noisy for both. */
export async function pairs(database, { slices, sliceMs, isWanted, progress }) {
  if (!isWanted('pairs')) return undefined;
  progress(`pairs: ${slices} slices of ${sliceMs} ms each`);
  const floor = startAdvisory({ connectionString: database.url });
  const locks = startLocks({ connectionString: database.url });
  const rate = async (contender, count) =>
    (await contender.ask(`pairs ${count} ${sliceMs}`))[0] * 1000;
  await Promise.all([floor, locks].map((contender) => contender.next('ready')));
  for (const count of [1, 1, ...callers]) {
    await rate(floor, count);
    await rate(locks, count); // warm
  }
  const taken = callers.map((count) => ({ count, floor: [], locks: [], ratio: [] }));
  for (let slice = 0; slice < slices; slice += 1) {
    for (const each of taken) {
      const before = await rate(floor, 1);
      const of = await rate(locks, each.count);
      const beside = (before + (await rate(floor, 1))) / 2;
      each.floor.push(beside);
      each.locks.push(of);
      each.ratio.push(of / beside);
    }
  }
  await Promise.all([floor.end(), locks.end()]);
  return taken.map(({ count, ...of }) => ({
    callers: count,
    floor: summary(of.floor),
    locks: summary(of.locks),
    ratio: summary(of.ratio),
  }));
}

export const pairsText = (measured) =>
  table(
    ['acquire and release', 'n', 'pairs/s', 'floor', '× floor', 'least', 'most'],
    measured.map(({ callers, floor, locks, ratio }) => [
      `${callers} ${callers === 1 ? 'caller' : 'callers'}`,
      ratio.n,
      locks.median.toFixed(0),
      floor.median.toFixed(0),
      ratio.median.toFixed(2),
      ratio.min.toFixed(2),
      ratio.max.toFixed(2),
    ]),
  );
