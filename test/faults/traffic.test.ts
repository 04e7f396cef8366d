import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startTestCluster } from '../support/cluster.ts';
import { holdElection } from '../support/election.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

test('with the default sizes a standby asks about every other second, and a leader no more often', async () => {
  await using cluster = await startTestCluster({
    settings: { log_statement: 'all', log_line_prefix: '[%a] ' },
  });
  await using election = await holdElection({ ttlMs: 10_000 }, cluster.url());
  await election.lead('leader');
  const { story } = await election.standBy('standby');
  // The first waits are short, and grow.
  await until(() => (story.of('attempt').at(-1)?.waitMs ?? 0) > 1_500, { timeoutMs: 20_000 });
  const [before, startedAt] = [cluster.log().length, now()];
  await sleep(12_000); // what is counted is what is said in this time
  const seconds = (now() - startedAt) / 1_000;
  const lines = cluster.log().slice(before).split('\n');
  const perSecond = (label: string): number => {
    const said = lines.filter((line) => line.startsWith(`[lockd:led:${label}]`));
    return said.filter((line) => /LOG: {2}(execute|statement)/.test(line)).length / seconds;
  };
  for (const label of ['leader', 'standby']) {
    expect(perSecond(label)).toBeGreaterThan(0.3);
    expect(perSecond(label)).toBeLessThan(0.7);
  }
}, 60_000);
