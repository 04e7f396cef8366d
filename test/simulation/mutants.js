/**
 * Lets deliberate mistakes in the core and in the protocol loose on the schedules, and prints which
 * promise each of them breaks. With `--only` the story of how, too.
 *
 *   npm run mutants -- [--of core|server] [--only 'part of a name'] [--seed S]
 *
 * The sources are loaded by the test runner's own module loader: Node 20 runs no TypeScript.
 */
import { fileURLToPath } from 'node:url';
import { createViteServer } from 'vitest/node';

const server = await createViteServer({
  root: fileURLToPath(new URL('../../', import.meta.url)),
  configFile: false,
  logLevel: 'error',
  server: { middlewareMode: true, hmr: false, watch: null, ws: false },
  optimizeDeps: { noDiscovery: true },
});
try {
  const { main } = await server.ssrLoadModule('/test/simulation/mutants/run.ts');
  process.exitCode = await main(process.argv.slice(2));
} finally {
  await server.close();
}
