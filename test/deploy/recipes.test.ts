import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { defaults } from '../../src/core/options.ts';
import { read, root } from '../docs/pages.ts';
import { TestProcess } from '../support/processes.ts';
import { argumentsOf, expectAccepted, flagMs, inMs, marginMs } from './commands.ts';

const require = createRequire(import.meta.url);

describe('the unit for systemd', () => {
  const text = read('docs/deploy/lockd@.service');
  const set = (name: string): string => {
    const [, value] = new RegExp(`^${name}=(.+)$`, 'm').exec(text) ?? [];
    return value as string;
  };
  const words = argumentsOf(set('ExecStart').replaceAll('%i', 'billing').split(' '));

  test('starts what the command line takes', () => expectAccepted(words));

  test('kills when the grace is over and the seat let go, and not before', () => {
    const graceMs = flagMs(words, '--grace') ?? defaults.drainTimeoutMs;
    expect(inMs(set('TimeoutStopSec'))).toBeGreaterThanOrEqual(graceMs + marginMs);
    expect(set('KillMode')).toBe('mixed');
    expect(set('Restart')).toBe('always');
  });

  const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;
  test.skipIf(!hasSystemd)('says nothing that systemd does not know', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lockd-test-'));
    try {
      const program = join(folder, 'node_modules/.bin/lockd');
      await mkdir(dirname(program), { recursive: true });
      await writeFile(program, '#!/bin/sh\n');
      await chmod(program, 0o755);
      const verify = async (unit: string): Promise<string[]> => {
        const file = join(folder, 'lockd@billing.service');
        await writeFile(file, unit.replace('/opt/lockd', folder));
        await using child = new TestProcess('systemd-analyze', ['verify', '--man=no', file]);
        await child.closed;
        return [...child.stdout, ...child.stderr];
      };
      expect(await verify(text)).toEqual([]);
      expect(await verify(text.replace('KillMode', 'KilMode'))).toHaveLength(1);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('the Deployments for Kubernetes', () => {
  const documents = parseAllDocuments(read('docs/deploy/deployment.yaml'));
  const deployments = documents.map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as Deployment;
  });
  const pods = deployments.map(({ spec }) => spec.template.spec);
  const [underRun, besideSidecar] = pods as [Pod, Pod];
  const containersOf = ({ initContainers = [], containers }: Pod) => [
    ...initContainers,
    ...containers,
  ];
  const ours = pods.flatMap(containersOf).filter(({ command }) => /lockd$/.test(command[0] ?? ''));

  test('are one under `lockd run`, and one beside `lockd serve`', () => {
    expect(ours.map(({ command }) => command[1])).toEqual(['run', 'serve']);
  });

  test.each(ours)('start what the command line takes: $command.1', ({ command, env }) => {
    const variables = env.map(({ name, value = 'a-text-of-16-letters' }) => [name, value]);
    return expectAccepted(argumentsOf(command), Object.fromEntries(variables));
  });

  test('give a pod the time that its parts need one after the other', () => {
    const { command } = underRun.containers[0] as Container;
    const graceMs = flagMs(command, '--grace') ?? defaults.drainTimeoutMs;
    expect(underRun.terminationGracePeriodSeconds * 1_000).toBeGreaterThanOrEqual(
      graceMs + marginMs,
    );

    const { containers, initContainers = [], terminationGracePeriodSeconds } = besideSidecar;
    const requestsMs = (containers[0]?.lifecycle?.preStop.sleep.seconds ?? 0) * 1_000;
    const promiseMs = flagMs(initContainers[0]?.command ?? [], '--promise') as number;
    const stepMs = defaults.drainTimeoutMs;
    expect(terminationGracePeriodSeconds * 1_000).toBeGreaterThanOrEqual(
      requestsMs + stepMs + promiseMs + marginMs,
    );
  });

  test('end the sidecar after the program that asks it, and restart it only when its lease is over', () => {
    const [sidecar] = besideSidecar.initContainers as [Container];
    expect(sidecar.restartPolicy).toBe('Always');
    const { livenessProbe: alive, readinessProbe: ready } = sidecar;
    expect(alive?.httpGet.path).toBe('/healthz');
    expect(ready?.httpGet.path).toBe('/readyz');
    const ttlMs = flagMs(sidecar.command, '--ttl') ?? defaults.ttlMs;
    const triedMs = (alive?.periodSeconds ?? 0) * (alive?.failureThreshold ?? 3) * 1_000;
    expect(triedMs).toBeGreaterThan(ttlMs);
  });

  test.each(deployments)('have a new pod before an old one goes: $metadata.name', ({ spec }) => {
    expect(spec.strategy.rollingUpdate).toEqual({ maxSurge: 1, maxUnavailable: 0 });
    expect(spec.replicas).toBeGreaterThanOrEqual(2);
    expect(spec.template.metadata.labels).toEqual(spec.selector.matchLabels);
  });

  test.each(pods)('are no root, write nowhere and may nothing (%#)', (pod) => {
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1_000 });
    for (const { securityContext } of containersOf(pod)) {
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    }
  });

  test('call an instance what its pod is called', () => {
    for (const { env } of ours) {
      const label = env.find(({ name }) => name === 'LOCKD_LABEL');
      expect(label?.valueFrom?.fieldRef?.fieldPath).toBe('metadata.name');
    }
  });
});

describe('the configuration for PM2', () => {
  const { apps } = require(`${root}docs/deploy/ecosystem.config.cjs`) as {
    apps: readonly App[];
  };
  const [underRun] = apps as [App];
  const words = underRun.args?.split(' ') ?? [];

  test('starts what the command line takes', () => expectAccepted(words));

  test('kills when the grace is over, and not after the 1.6 s that PM2 gives', () => {
    const graceMs = flagMs(words, '--grace') ?? defaults.drainTimeoutMs;
    for (const { kill_timeout: killTimeoutMs } of apps) {
      expect(killTimeoutMs).toBeGreaterThanOrEqual(graceMs + marginMs);
    }
  });

  test('signals lockd, and leaves its command to it', () => {
    expect(underRun).toMatchObject({ interpreter: 'none', exec_mode: 'fork', treekill: false });
  });
});

test('what the pages say of the files stands in them', () => {
  const unit = read('docs/deploy/lockd@.service').split('\n');
  const told = [...read('docs/deploy/systemd.md').matchAll(/^\| `(\w+=\w+)` \|/gm)];
  expect(told.length).toBeGreaterThan(3);
  for (const [, line] of told) expect(unit).toContain(line);

  const [, killTimeoutMs] = /`kill_timeout: (\d+)`/.exec(read('docs/deploy/pm2.md')) ?? [];
  const { apps } = require(`${root}docs/deploy/ecosystem.config.cjs`);
  expect(apps[0].kill_timeout).toBe(Number(killTimeoutMs));

  expect(read('docs/deploy/deployment.yaml')).toContain('maxSurge: 1, maxUnavailable: 0');
  expect(read('docs/deploy/kubernetes.md')).toContain('`maxSurge: 1, maxUnavailable: 0`');
});

test('the default grace fits where a platform kills after 30 s, and what is to be set where it kills sooner', () => {
  const page = read('docs/deploy/paas.md');
  const neededMs = defaults.drainTimeoutMs + marginMs;
  expect(neededMs).toBeLessThanOrEqual(30_000);
  const [, fly] = /`kill_timeout = (\d+)`/.exec(page) ?? [];
  const [, railway] = /(\d+) for the second one/.exec(page) ?? [];
  for (const seconds of [fly, railway]) {
    expect(Number(seconds) * 1_000).toBeGreaterThanOrEqual(neededMs);
  }
});

interface Deployment {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly replicas: number;
    readonly strategy: { readonly rollingUpdate: unknown };
    readonly selector: { readonly matchLabels: unknown };
    readonly template: { readonly metadata: { readonly labels: unknown }; readonly spec: Pod };
  };
}

interface Pod {
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: unknown;
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
}

interface Container {
  readonly command: readonly string[];
  readonly restartPolicy?: string;
  readonly env: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath: string } };
  }[];
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly lifecycle?: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
  readonly securityContext: unknown;
}

interface Probe {
  readonly httpGet: { readonly path: string };
  readonly periodSeconds: number;
  readonly failureThreshold?: number;
}

interface App {
  readonly args?: string;
  readonly kill_timeout: number;
}
