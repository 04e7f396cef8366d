import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { observeController, observeLocks } from '../../src/metrics/index.ts';
import { read } from '../docs/pages.ts';
import { type LockDatabase, lockDatabase } from '../locks/database.ts';
import { type Contender, type Election, holdElection } from '../support/election.ts';
import { deferred, until } from '../support/wait.ts';
import { isInstalled, type Panel, promtool, rules } from './prometheus.ts';
import { scraped } from './scraped.ts';
import { type Exposed, expose, type Prometheus, startPrometheus } from './scraping.ts';

const panels: readonly Panel[] = JSON.parse(read('ops/grafana.json')).panels;
const drawn = panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => ({ title, expr: filledIn(expr) })),
);

/** What Grafana puts in place of its variables. */
function filledIn(expr: string): string {
  return expr
    .replaceAll('$name', '.*')
    .replaceAll('$__rate_interval', '1m')
    .replaceAll('$__range', '1h');
}

/** What an alert compares: without the comparison it has a value while all is well, too. */
const compared = rules.flatMap(({ alert, expr }) => {
  const bare = expr.replace(/^absent\((.*)\)$/, '$1');
  const sides = bare.split(/ (?:==|!=|[<>]=?) /);
  return sides.filter((side) => !/^\d+$/.test(side)).map((side) => ({ title: alert, expr: side }));
});

const metricsIn = (expr: string): string[] => expr.match(/\blockd_\w+/g) ?? [];

/**
 * Two instances of one name and a lock manager, on a database, each of which has done something of
 * everything; and the Prometheus that scrapes them all the while.
 */
describe.skipIf(!isInstalled)('a real Prometheus (skipped where it is not installed)', () => {
  const registries = [new Registry(), new Registry()] as const;
  const undo: (() => unknown)[] = [];
  let election: Election;
  let database: LockDatabase;
  let instances: readonly [Contender, Contender];
  let prometheus: Prometheus;

  beforeAll(async () => {
    [election, database] = await Promise.all([holdElection(), lockDatabase()]);
    instances = [election.enter('one', { drainTimeoutMs: 100 }), election.enter('two')];
    for (const [at, registry] of registries.entries()) {
      const { controller } = instances[at] as Contender;
      const observed = observeController(controller, { registry });
      undo.push(() => observed[Symbol.dispose]());
    }
    const locks = database.manager();
    const observed = observeLocks(locks, { registry: registries[0] });
    undo.push(() => observed[Symbol.dispose]());
    const exposed: Exposed[] = await Promise.all(registries.map(expose));
    prometheus = await startPrometheus(exposed.map(({ target }) => target));
    undo.push(() => prometheus[Symbol.asyncDispose]());
    undo.push(...exposed.map((each) => () => each[Symbol.asyncDispose]()));

    await scrapedOnce(); // what happens before the first scrape is no increase
    const [one, two] = instances;
    one.controller.passiveNotice('chat');
    await one.controller.start();
    await one.story.next('active');
    await two.controller.start();
    await locks.using('order:42', () => {});
    await election.beats(2);
    await scrapedOnce('sum by (name) (lockd_is_leader) == 1');
  }, 60_000);
  afterAll(async () => {
    for (const each of undo) await each();
    await Promise.all([election?.[Symbol.asyncDispose](), database?.[Symbol.asyncDispose]()]);
  });

  const firing = async (): Promise<string[]> =>
    (await prometheus.alerts())
      .filter(({ state }) => state === 'firing')
      .map(({ labels }) => `${labels['alertname']} ${labels['name']}`)
      .sort();

  /** By both instances. */
  async function scrapedOnce(expr = 'count(lockd_is_leader) == 2'): Promise<void> {
    await until(async () => (await prometheus.query(expr)).length === 1, { describe: expr });
  }

  test('finds one leader of two instances, and has nothing to report', async () => {
    expect(await prometheus.query('count by (name) (lockd_is_leader) == 2')).toHaveLength(1);
    expect(await firing()).toEqual([]);
  });

  test('reports a drain that overruns, and a stretch without a leader, until somebody leads', async () => {
    const [one, two] = instances;
    const work = deferred();
    void one.controller.track(work.promise);
    await two.controller.stop();
    const stopped = one.controller.stop();
    const silence = ['LockdDrainOverdue led', 'LockdNoLeader led', 'LockdNoLeaderForLong led'];
    await until(async () => (await firing()).join() === silence.join(), {
      describe: () => `${silence} fire`,
    });
    work.resolve();
    await stopped;
    await until(async () => !(await firing()).includes('LockdDrainOverdue led'));
    expect(await firing()).toEqual(silence.slice(1));
    await two.controller.start();
    await two.story.next('active');
    await until(async () => (await firing()).length === 0, {
      describe: 'all is well again, and the gap was short',
    });
  });

  test('has the gap as the database measured it', async () => {
    const [{ gap_ms } = { gap_ms: '0' }] = (await election.terms()).slice(-1);
    expect(Number(gap_ms)).toBeGreaterThan(0);
    const said = await scraped(registries[1]);
    expect(said['lockd_leaderless_seconds_sum{name="led"}']).toBeCloseTo(Number(gap_ms) / 1_000);
  });

  test.each([...compared, ...drawn])('has data for $title: $expr', async ({ expr }) => {
    const values = async () => (await prometheus.query(expr)).map(({ value: [, text] }) => text);
    await until(async () => (await values()).some((value) => value !== 'NaN'), { describe: expr });
  });

  test('every metric of an alert or a panel is exposed, and every metric is drawn', async () => {
    const text = (await Promise.all(registries.map((each) => each.metrics()))).join('\n');
    const names = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => ({
      name: name as string,
      type,
    }));
    const exposed = names.flatMap(({ name, type }) =>
      type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => name + end) : [name],
    );
    const used = [...rules, ...drawn].flatMap(({ expr }) => metricsIn(expr));
    expect(used.length).toBeGreaterThan(30);
    expect(used.filter((name) => !exposed.includes(name))).toEqual([]);
    const isDrawn = (name: string) => drawn.some(({ expr }) => expr.includes(name));
    expect(names.filter(({ name }) => !isDrawn(name))).toEqual([]);
  });

  test('promtool finds nothing to complain of in what is exposed', async () => {
    const [first] = registries;
    expect(await promtool(['check', 'metrics'], await first.metrics())).toEqual({
      code: 0,
      output: '',
    });
  });
});
