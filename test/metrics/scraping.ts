import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../src/embedded/port.ts';
import type { MetricsRegistry } from '../../src/metrics/index.ts';
import { read } from '../docs/pages.ts';
import { TestProcess } from '../support/processes.ts';
import { fetched, programs, rulesFile } from './prometheus.ts';

export interface Exposed extends AsyncDisposable {
  /** What Prometheus is told to scrape. */
  readonly target: string;
}

/** As a host does it: what the registry says, at `/metrics`. */
export async function expose(registry: MetricsRegistry): Promise<Exposed> {
  const server = createServer((_, response) => {
    registry.metrics().then(
      (text) => response.setHeader('content-type', registry.contentType).end(text),
      (error) => response.destroy(error),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    target: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

export interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly state: 'pending' | 'firing';
}

export interface Prometheus extends AsyncDisposable {
  /** The series an expression comes to at this moment. */
  query(expr: string): Promise<readonly { readonly value: readonly [at: number, text: string] }[]>;
  alerts(): Promise<readonly Alert[]>;
}

/** The real one, with the shipped rules; only the time for which a rule waits is shorter. */
export async function startPrometheus(targets: readonly string[]): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'lockd-test-'));
  await writeFile(
    join(folder, 'alerts.yml'),
    read(rulesFile).replaceAll(/\bfor: \w+$/gm, 'for: 1s'),
  );
  const configuration = {
    global: { scrape_interval: '200ms', evaluation_interval: '200ms' },
    rule_files: ['alerts.yml'],
    scrape_configs: [{ job_name: 'lockd', static_configs: [{ targets }] }],
  };
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(configuration));
  const address = `127.0.0.1:${await freePort()}`;
  const child = new TestProcess(programs.prometheus, [
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=${address}`,
  ]);
  const dispose = async (): Promise<void> => {
    await child[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await child.line(/Server is ready to receive web requests/, 20_000);
  } catch (error) {
    await dispose();
    throw error;
  }
  const ask = async (path: string) => {
    const { status, data, error } = JSON.parse(await fetched(`http://${address}/api/v1/${path}`));
    if (status !== 'success') throw new Error(`${path}: ${error}`);
    return data;
  };
  return {
    query: async (expr) => (await ask(`query?query=${encodeURIComponent(expr)}`)).result,
    alerts: async () => (await ask('alerts')).alerts,
    [Symbol.asyncDispose]: dispose,
  };
}
