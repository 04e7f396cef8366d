/**
 * Plays many schedules of faults against the core, and prints the story of the first that breaks a
 * promise: of leaders, or of processes with resource locks.
 *
 *   npm run simulate -- [--of leaders|holds] [--runs 20000] [--seed S] [--path P]
 */
import { runMain } from '../support/loader.js';

await runMain('/test/simulation/simulate.ts');
