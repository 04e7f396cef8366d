import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { defaults } from '../../src/core/options.ts';
import { read, root } from '../docs/pages.ts';
import { ask } from '../http/asking.ts';
import { isInstalled, promtool } from '../metrics/prometheus.ts';
import { createDatabase } from '../support/database.ts';
import { dockerAnswers } from '../support/docker.ts';
import { pgbouncerMissing } from '../support/pgbouncer.ts';
import { startCli } from '../support/processes.ts';
import { until } from '../support/wait.ts';
import { argumentsOf, expectAccepted, flagMs, inMs, marginMs } from './commands.ts';
import { composeFile, instances, services } from './composed.ts';
import { changed, startShippedPgBouncer } from './pooled.ts';

const everything = Object.entries(services);
const scraped = parse(read('ops/prometheus.yml'));

describe('docker-compose.yml', () => {
  test('has a database, a pooler, two instances and a Prometheus', () => {
    expect(Object.keys(services)).toEqual([
      'postgres',
      'pgbouncer',
      'lockd-1',
      'lockd-2',
      'prometheus',
    ]);
    expect(instances.map(([name]) => name)).toEqual(['lockd-1', 'lockd-2']);
  });

  test.each(everything)(
    '%s has an image of one version, and says when it is well',
    (_, { image, healthcheck }) => {
      expect(image).toMatch(/^[\w./-]+:v?\d/);
      expect(['CMD', 'CMD-SHELL']).toContain(healthcheck?.test[0]);
    },
  );

  test.each(everything)('%s can be reached from this machine only', (_, { ports = [] }) => {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  });

  test('gives each port away once', () => {
    const ports = everything.flatMap(([, { ports: given = [] }]) => given);
    const outside = ports.map((port) => port.split(':')[1]);
    expect(new Set(outside).size).toBe(outside.length);
  });

  test.each(everything)('%s mounts what is there, to read it', (_, { volumes = [] }) => {
    for (const volume of volumes) {
      const [source = '', , mode] = volume.split(':');
      expect(existsSync(`${root}${source}`), source).toBe(true);
      expect(mode).toBe('ro');
    }
  });

  test('starts the development database alone, at the address that is told', () => {
    expect(services['postgres']?.depends_on).toBeUndefined();
    const told = [
      'docker compose up -d --wait postgres',
      'postgres://postgres:lockd@127.0.0.1:5432',
    ];
    for (const page of [composeFile, 'CONTRIBUTING.md']) {
      for (const line of told) expect(read(page)).toContain(line);
    }
    expect(services['postgres']?.ports).toEqual(['127.0.0.1:5432:5432']);
    expect(services['postgres']?.environment).toEqual({ POSTGRES_PASSWORD: 'lockd' });
  });

  test.each(instances)(
    '%s starts what the command line takes',
    (_, { command = [], environment }) => expectAccepted(argumentsOf(command), environment),
  );

  test('lets an instance drain before it is killed', () => {
    for (const [, { command = [], stop_grace_period: grace = '10s' }] of instances) {
      const drainMs = flagMs(command, '--drain-timeout') ?? defaults.drainTimeoutMs;
      expect(inMs(grace)).toBeGreaterThanOrEqual(drainMs + marginMs);
    }
  });

  test('has its Prometheus scrape both, by the rules that are shipped', () => {
    const [
      {
        static_configs: [{ targets }],
      },
    ] = scraped.scrape_configs;
    expect(targets).toEqual(instances.map(([name]) => `${name}:4040`));
    expect(services['prometheus']?.volumes).toContain(
      './ops/alerts.yml:/etc/prometheus/alerts.yml:ro',
    );
    expect(scraped.rule_files).toEqual(['alerts.yml']);
  });

  test.skipIf(!isInstalled)(
    'has a configuration that Prometheus takes, rules included',
    async () => {
      const { code, output } = await promtool(['check', 'config', `${root}ops/prometheus.yml`]);
      expect(output).toMatch(/1 rule files found/);
      expect(code).toBe(0);
    },
  );
});

const missing = await pgbouncerMissing();

test.skipIf(missing !== undefined)(
  'without an engine: the two instances stand behind the shipped PgBouncer, well and ready, and one leads',
  async () => {
    await using database = await createDatabase();
    await using pool = await startShippedPgBouncer(database.name);
    const start = ([, { command = [], environment }]: (typeof instances)[number]) =>
      startCli(changed(argumentsOf(command).join('\n'), { ':4040': ':0' }).split('\n'), {
        env: { ...environment, DATABASE_URL: pool.url },
      });
    const [first, second] = instances as [(typeof instances)[0], (typeof instances)[0]];
    await using one = start(first);
    await using two = start(second);
    const urls = await Promise.all(
      [one, two].map(async (each) => {
        const url = /http:[^"\s]+/.exec(await each.line(/serving/))?.[0] as string;
        return url.replace('0.0.0.0', '127.0.0.1');
      }),
    );
    const asked = first[1].healthcheck?.test.join(' ').match(/(?<=:4040)\/\w+/g);
    expect(asked).toEqual(['/healthz', '/readyz']);
    for (const url of urls) {
      for (const path of asked ?? []) {
        await until(async () => (await ask(url, path)).status === 200, { describe: url + path });
      }
    }
    const leading = async (): Promise<number> => {
      // As Prometheus asks: under the name of the service, and without a token.
      const headers = { host: 'lockd-1:4040' };
      const told = await Promise.all(urls.map((url) => ask(url, '/metrics', { headers })));
      return told.reduce(
        (sum, { text }) => sum + Number(/^lockd_is_leader\{.*\} (\d)$/m.exec(text)?.[1]),
        0,
      );
    };
    await until(async () => (await leading()) === 1, { describe: 'one of them leads' });
    expect((await ask(urls[0] as string, '/leader')).status).toBe(401);
  },
);

const run = promisify(execFile);
const hasEngine =
  (await dockerAnswers()) &&
  (await run('docker', ['compose', 'version']).then(
    () => true,
    () => false,
  ));

test.skipIf(!hasEngine)(
  'with an engine: everything comes up, and Prometheus sees one leader of two (skipped where no Docker engine with `compose` answers)',
  async ({ skip }) => {
    const folder = await mkdtemp(join(tmpdir(), 'lockd-test-'));
    const project = `lockd-test-${process.pid}`;
    const override = join(folder, 'override.yml');
    // Whoever develops has the ports in use.
    const free = everything.map(([name]) => `  ${name}:\n    ports: !reset []\n`);
    await writeFile(override, `services:\n${free.join('')}`);
    const files = ['-f', `${root}${composeFile}`, '-f', override];
    const compose = async (...words: string[]): Promise<string> =>
      (await run('docker', ['compose', '-p', project, ...files, ...words])).stdout;
    try {
      await compose('pull', '--quiet').catch((error) => skip(`no images: ${error.message}`));
      await compose('up', '--detach', '--wait', '--wait-timeout', '120');
      const query = 'http://127.0.0.1:9090/api/v1/query?query=sum(lockd_is_leader)';
      const answer = () => compose('exec', '-T', 'prometheus', 'wget', '-qO-', query);
      const seen = async () => JSON.parse(await answer()).data.result[0]?.value[1] === '1';
      await until(seen, { timeoutMs: 30_000, describe: 'Prometheus sees one leader' });
      await compose('stop', 'lockd-1');
      await compose('stop', 'lockd-2');
    } finally {
      await compose('down', '--volumes', '--timeout', '1').catch(() => {});
      await rm(folder, { recursive: true });
    }
  },
  300_000,
);
