/**
 * Real processes, a real server, and faults drawn from a seed. Prints each round as it ends, then a
 * report, and writes both and a timeline to a folder.
 *
 *   npm run chaos -- [--rounds 60] [--minutes M] [--seed S] [--first K] [--only fault,…] [--ttl MS]
 *                    [--instances run,guarded,…] [--control 60] [--out FOLDER] [--plan]
 */
import { runMain } from '../support/loader.js';

await runMain('/test/chaos/chaos.ts');
