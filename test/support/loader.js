// Programs of the tests are TypeScript, which Node 20 does not run: the test runner's loader does.
import { fileURLToPath } from 'node:url';
import { createViteServer } from 'vitest/node';

/** Nothing is watched and nothing is served: it only loads. To be closed. */
const createLoader = (settings = {}) =>
  createViteServer({
    root: fileURLToPath(new URL('../../', import.meta.url)),
    configFile: false,
    logLevel: 'error',
    server: { middlewareMode: true, hmr: false, watch: null, ws: false },
    optimizeDeps: { noDiscovery: true },
    oxc: { target: 'es2023' }, // Node 20 knows no `await using`
    ...settings,
  });

/** Calls `main` of this file, from the root of the project, with the command line's arguments. */
export async function runMain(file) {
  const loader = await createLoader();
  try {
    const { main } = await loader.ssrLoadModule(file);
    process.exitCode = await main(process.argv.slice(2));
  } finally {
    await loader.close();
  }
}
