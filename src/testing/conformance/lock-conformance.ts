import { ending } from './ending.ts';
import { looking } from './looking.ts';
import { managers } from './managers.ts';
import { owners } from './owners.ts';
import { sharing } from './sharing.ts';
import type { LockCase } from './stage.ts';
import { standing } from './standing.ts';
import { taking } from './taking.ts';

/**
 * What lockd promises of every store that keeps holds: PostgreSQL, a memory, your own. No test runner is
 * needed; run each case with a stage of its own.
 *
 *     for (const { name, needs, run } of lockConformance) {
 *       test(name, { skip: needs === 'crash' }, async () => {
 *         await using stage = await myStage();
 *         await run(stage);
 *       });
 *     }
 */
export const lockConformance: readonly LockCase[] = [
  ...taking,
  ...standing,
  ...sharing,
  ...looking,
  ...ending,
  ...managers,
  ...owners,
];
