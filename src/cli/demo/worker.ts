/**
 * The demo's worker: what `lockd run` starts. It takes one item after the other, and does each in a
 * transaction of its own that asks the fence first. On TERM it finishes the item in hand.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { isLockdError } from '../../core/errors.ts';
import { type ItemWorker, openItemWorker } from '../../postgres/demo-items.ts';
import { ExitCode } from '../exit-codes.ts';

/** What it says on stdout, for the timeline only: the verdict is read from the table. */
export type WorkerLine =
  | { readonly is: 'begun' | 'finished'; readonly item: number }
  /** The database did not let it: another one leads. */
  | { readonly is: 'refused'; readonly item: number };

const {
  LOCKD_NAME: name = '',
  LOCKD_TOKEN = '0',
  LOCKD_DATABASE_URL: connectionString,
  LOCKD_SCHEMA: schema,
} = process.env;
const token = BigInt(LOCKD_TOKEN);
const itemMs = 40;

let isAsked = false;
process.on('SIGTERM', () => {
  isAsked = true;
});
// Whoever played the demo is gone: work on, and say nothing.
process.stdout.on('error', () => {});

let worker: ItemWorker = await connect();
try {
  while (!isAsked) {
    const item = await worker.take(token);
    if (item === undefined) break;
    await insist(item);
    tell({ is: 'finished', item });
  }
} finally {
  await worker[Symbol.asyncDispose]();
}

/** As workers do: when the connection breaks it connects again and tries to finish what it had. */
async function insist(item: number): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await worker.process(name, token, item, async () => {
        tell({ is: 'begun', item });
        await pause(itemMs);
      });
      return;
    } catch (error) {
      if (isLockdError(error) && error.code === 'LOCKD_STALE_TOKEN') {
        tell({ is: 'refused', item });
        process.exit(ExitCode.lost);
      }
      if (attempt === 3) throw error;
      await worker[Symbol.asyncDispose]();
      worker = await connect();
    }
  }
}

function connect(): Promise<ItemWorker> {
  return openItemWorker({ connectionString, schema });
}

function tell(line: WorkerLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
