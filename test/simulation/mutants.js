/**
 * Lets deliberate mistakes in the core and in the protocol loose on the schedules, and prints which
 * promise each of them breaks. With `--only` the story of how, too.
 *
 *   npm run mutants -- [--of core|server|holds] [--only 'part of a name'] [--seed S]
 */
import { runMain } from '../support/loader.js';

await runMain('/test/simulation/mutants/run.ts');
