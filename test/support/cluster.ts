import { type Cluster, type ClusterOptions, startCluster } from '../../src/embedded/cluster.ts';

/** Another PostgreSQL to run the tests on, e.g. one of a distribution. */
export const testBinDir: string | undefined = process.env['LOCKD_TEST_PG_BIN'] || undefined;

/** An unpacked package of another version, as `npm run test:versions` names it. */
export const testPackageDir: string | undefined = process.env['LOCKD_TEST_PG_PACKAGE'] || undefined;

/** A cluster for a test that breaks its server, or needs two. */
export function startTestCluster(options: ClusterOptions = {}): Promise<Cluster> {
  return startCluster({ binDir: testBinDir, packageDir: testPackageDir, ...options });
}
