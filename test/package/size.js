/**
 * What an installation of lockd weighs, and how long its command line takes from nothing.
 *
 *   npm run size -- [--rounds 20]
 *
 * The commands are started in turns, so that a busy machine slows all of them.
 */
import { runMain } from '../support/loader.js';

await runMain('/test/package/size.ts');
