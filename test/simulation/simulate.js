/**
 * Plays many schedules of faults against the core, and prints the story of the first that breaks a
 * promise.
 *
 *   npm run simulate -- [--runs 20000] [--seed S] [--path P]
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
  const { main } = await server.ssrLoadModule('/test/simulation/simulate.ts');
  process.exitCode = await main(process.argv.slice(2));
} finally {
  await server.close();
}
