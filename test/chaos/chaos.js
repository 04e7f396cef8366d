/**
 * Real processes, a real server, and faults drawn from a seed. Prints each round as it ends, then a
 * report, and writes both and a timeline to a folder.
 *
 *   npm run chaos -- [--of leaders,holds] [--rounds 60] [--minutes M] [--seed S] [--first K]
 *                    [--only fault,…] [--ttl MS] [--instances run,guarded,…] [--control 60]
 *                    [--out FOLDER] [--plan]
 *
 * The same faults for leaders, and then for processes with resource locks. Exits with 0 only when every
 * promise and every bound was kept, nothing was stopped before its end, and the positive controls have
 * shown two leaders and what they do, and two who cannot hold a resource beside one another.
 */
import { runMain } from '../support/loader.js';

await runMain('/test/chaos/chaos.ts');
