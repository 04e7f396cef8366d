import { expect, test } from 'vitest';
import { startTestCluster } from '../support/cluster.ts';
import { query } from '../support/database.ts';
import { type Contender, type Election, holdElection } from '../support/election.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

const standbys = 40;
const handovers = 6;
/** Longer than all handovers together take. */
const waitMs = 10_000;
const [begin, end] = ['from here on there are handovers', 'and now there are no more'];

test('of forty standbys of one name a handover wakes the next one, and nobody else asks anything', async () => {
  await using cluster = await startTestCluster({
    settings: { max_connections: '150', log_statement: 'all', log_line_prefix: '[%a] ' },
  });
  const sizes = { ttlMs: 60_000, firstWaitMs: 100, maxWaitMs: waitMs, waitFactor: 10 };
  await using election = await holdElection(sizes, cluster.url());
  const all = await herd(election, standbys + 1);
  await allWait(election);
  await query(election.url, `select '${begin}'`);
  const gaps: number[] = [];
  for (let round = 0; round < handovers; round += 1) {
    const [leader] = all.filter(({ controller }) => controller.isActive());
    const led = next(all);
    const leftAt = now();
    void leader?.controller.resign();
    await led;
    gaps.push(now() - leftAt);
  }
  expect(Math.max(...gaps)).toBeLessThan(3_000);
  await query(election.url, `select '${end}'`);
  await until(() => cluster.log().includes(end));
  const said = statementsBetween(cluster.log());
  expect(said.filter((line) => line.includes('token, gap_ms, blockers'))).toHaveLength(handovers);
  // A takeover, a release, a look at the server, and a place in the queue again; of a herd it would be forty.
  expect(said.length).toBeLessThan(handovers * 10);
}, 60_000);

async function herd(election: Election, size: number): Promise<Contender[]> {
  const all = Array.from({ length: size }, (_, index) => election.enter(`host-${index}`));
  const led = next(all);
  for (const { controller } of all) void controller.start();
  await led;
  return all;
}

/** Resolves when whichever of them begins to lead. */
const next = (all: readonly Contender[]): Promise<void> =>
  new Promise((resolve) => {
    for (const { controller } of all) controller.once('active', () => resolve());
  });

/** In attempts that have grown long: none of them ends by itself before the handovers have been. */
function allWait(election: Election): Promise<unknown> {
  const isLong = ({ story }: Contender) => (story.of('attempt').at(-1)?.waitMs ?? 0) > waitMs / 2;
  return until(
    async () =>
      election.contenders.filter(isLong).length >= standbys &&
      (await election.waiters()).length === standbys,
    { timeoutMs: 40_000, describe: 'all stand in line' },
  );
}

function statementsBetween(log: string): string[] {
  const from = log.indexOf(begin);
  expect(from).toBeGreaterThan(0);
  const lines = log.slice(from, log.indexOf(end)).split('\n');
  return lines.filter((line) => /^\[lockd:led:.*LOG: {2}(execute|statement)/.test(line));
}
