/**
 * Plays many schedules of faults against the core, and prints the story of the first that breaks a
 * promise.
 *
 *   npm run simulate -- [--runs 20000] [--seed S] [--path P]
 */
import { runMain } from '../support/loader.js';

await runMain('/test/simulation/simulate.ts');
