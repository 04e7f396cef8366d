/**
 * Real processes, a real server, and faults drawn from a seed. Prints each round as it ends, then a
 * report, and writes both and a timeline to a folder.
 *
 *   npm run chaos -- [--rounds 60] [--minutes M] [--seed S] [--first K] [--only fault,…] [--ttl MS]
 *                    [--instances run,guarded,…] [--control 60] [--out FOLDER] [--plan]
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
  oxc: { target: 'es2023' }, // Node 20 knows no `await using`
});
try {
  const { main } = await server.ssrLoadModule('/test/chaos/chaos.ts');
  process.exitCode = await main(process.argv.slice(2));
} finally {
  await server.close();
}
