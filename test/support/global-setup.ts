import type { TestProject } from 'vitest/node';
import { startTestCluster, testBinDir, testPackageDir } from './cluster.ts';
import { dockerAnswers } from './docker.ts';

declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string;
  }
}

/** Of either kind: tests write thousands of rows that nobody keeps through a power cut. */
const settings = { max_connections: '200', fsync: 'off' };

interface Backend {
  readonly name: string;
  readonly url: string;
  stop(): Promise<void>;
}

/** The server the tests share. Tests that break their server start a cluster of their own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const chosen = testBinDir ?? testPackageDir;
  const backend =
    (await named()) ?? ((chosen === undefined && (await container())) || (await embedded(chosen)));
  console.log(`tests run against ${backend.name}`);
  project.provide('databaseUrl', backend.url);
  return () => backend.stop();
}

async function named(): Promise<Backend | undefined> {
  const url = process.env['LOCKD_TEST_DATABASE_URL'];
  if (url === undefined || url === '') return undefined;
  return { name: 'the server of LOCKD_TEST_DATABASE_URL', url, stop: async () => {} };
}

async function container(): Promise<Backend | undefined> {
  if (!(await dockerAnswers())) return undefined;
  const image = process.env['LOCKD_TEST_IMAGE'];
  // Imported here because it takes longer than the embedded server takes to start.
  const { PostgreSqlContainer } = await import('@testcontainers/postgresql');
  try {
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const started = await new PostgreSqlContainer(image ?? 'postgres:17-alpine')
      .withCommand(['postgres', ...flags])
      .start();
    return {
      name: `a container of ${image ?? 'postgres:17-alpine'}`,
      url: started.getConnectionUri(),
      stop: async () => void (await started.stop()),
    };
  } catch (error) {
    if (image !== undefined) throw error;
    console.log(`Docker answers but starts no PostgreSQL: ${(error as Error).message}`);
    return undefined;
  }
}

async function embedded(chosen: string | undefined): Promise<Backend> {
  const cluster = await startTestCluster({ settings });
  return {
    name: `an embedded server ${chosen === undefined ? '(on other versions: npm run test:versions)' : `of ${chosen}`}`,
    url: cluster.url(),
    stop: () => cluster[Symbol.asyncDispose](),
  };
}
