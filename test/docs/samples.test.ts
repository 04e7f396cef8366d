import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cluster } from '../../src/embedded/cluster.ts';
import { startTestCluster } from '../support/cluster.ts';
import { samples } from './samples.ts';
import { longestMs, Workspace } from './workspace.ts';

let workspace: Workspace;
let cluster: Cluster;
let complaints: string;

beforeAll(async () => {
  [workspace, cluster] = await Promise.all([
    Workspace.open(samples),
    startTestCluster({ settings: { max_connections: '200' } }),
  ]);
  complaints = await workspace.compile(); // it makes the programs, too
});
afterAll(async () => {
  await Promise.all([workspace[Symbol.asyncDispose](), cluster[Symbol.asyncDispose]()]);
});

test('the samples are really read, and those that only lie there are used by others', () => {
  expect(samples.length).toBeGreaterThan(20);
  for (const { at, file, folder } of samples.filter((sample) => sample.file !== undefined)) {
    const name = (file as string).replace(/\.ts$/, '.js');
    const users = samples.filter((other) => other.folder === folder && other.code.includes(name));
    expect(users.length, `nothing uses ${file} of ${at}`).toBeGreaterThan(0);
  }
});

describe('each sample of the guides', () => {
  test('fits the types of the package', () => {
    expect(complaints).toBe('');
  });

  describe.concurrent('does what it says, to its end:', { timeout: longestMs + 10_000 }, () => {
    const programs = samples.filter(({ file }) => file === undefined);
    test.each(programs.map((sample) => [sample.at, sample] as const))('%s', async (_, sample) => {
      expect(await workspace.run(sample, cluster.url())).toBeUndefined();
    });
  });
});
