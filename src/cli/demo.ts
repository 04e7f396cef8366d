import { randomBytes } from 'node:crypto';
import { constants } from 'node:os';
import { LockdError } from '../core/errors.ts';
import { settleOptions } from '../core/options.ts';
import { stopSignals } from '../guard/signals.ts';
import { dropSchema } from '../postgres/demo-items.ts';
import { expectEmbedded } from './database.ts';
import { Play } from './demo/play.ts';
import { Timeline } from './demo/timeline.ts';
import { ExitCode, signalBase } from './exit-codes.ts';
import type { CommonOptions } from './options.ts';
import { print, printJson, say } from './output.ts';

/** Short, so that nobody has to wait; the default is 10 s. */
const defaultTtlMs = 3_000;
const longestMs = 90_000;
const endings = [...stopSignals, 'SIGHUP'] as const;

/**
 * Plays a handover, a crash, a freeze and a pause with real `lockd run` processes around a small
 * worker, and has the table they worked on judge them. Exits 0 only if the verdict is clean.
 */
export async function demo({
  databaseUrl,
  isJson,
  ttlMs = defaultTtlMs,
  takeover,
}: CommonOptions): Promise<number> {
  settleOptions({ name: 'demo', ttlMs }); // what its instances would refuse in logs that nobody sees
  const stopping = new AbortController();
  let stoppedBy: NodeJS.Signals | undefined;
  const stop = (signal: NodeJS.Signals): void => {
    stoppedBy ??= signal;
    stopping.abort(new LockdError('LOCKD_STOPPED', 'The demo was stopped.'));
  };
  for (const signal of endings) process.on(signal, stop);
  const timer = setTimeout(() => stopping.abort(tooLong()), longestMs + 4 * ttlMs);
  const timeline = new Timeline(isJson ? () => {} : print);
  try {
    return await onDatabase(databaseUrl, timeline, async (database) => {
      introduce(timeline, ttlMs);
      const play = new Play({ ...database, ttlMs, takeover, timeline, signal: stopping.signal });
      try {
        const { acts, verdict } = await play.run();
        const { processed, twice, cutInHalf, lost, outOfTurn } = verdict;
        const isClean = processed > 0 && twice + cutInHalf + lost + outOfTurn === 0;
        if (isJson) printJson({ acts, verdict, isClean });
        timeline.verdict(acts, verdict, isClean);
        return isClean ? ExitCode.ok : ExitCode.internal;
      } finally {
        await play.end(stopping.signal.aborted ? 1_500 : 5_000);
      }
    });
  } catch (error) {
    if (stoppedBy === undefined) throw error;
    say('lockd: the demo was stopped, and has put everything away');
    return signalBase + constants.signals[stoppedBy];
  } finally {
    clearTimeout(timer);
    for (const signal of endings) process.off(signal, stop);
  }
}

interface DemoDatabase {
  readonly connectionString: string;
  readonly schema: string;
}

/** The one that was named, in a schema of its own; else a server of its own. Neither is left behind. */
async function onDatabase<Answer>(
  databaseUrl: string | undefined,
  timeline: Timeline,
  visit: (database: DemoDatabase) => Promise<Answer>,
): Promise<Answer> {
  const schema = `lockd_demo_${randomBytes(4).toString('hex')}`;
  if (databaseUrl !== undefined) {
    const database = { connectionString: databaseUrl, schema };
    timeline.text(
      `Works in the schema ${schema} of the database you named, and drops it at the end.`,
    );
    try {
      return await visit(database);
    } finally {
      await dropSchema(database);
    }
  }
  await expectEmbedded();
  const { startCluster } = await import('../embedded/cluster.ts');
  timeline.text('Starts a PostgreSQL of its own in a temporary folder, removed at the end.');
  await using cluster = await startCluster({ socketOnly: true });
  return await visit({ connectionString: cluster.url(), schema });
}

function introduce(timeline: Timeline, ttlMs: number): void {
  timeline.text(
    'A, B, C … are instances of one program, each started by `lockd run`. Only the leader has a worker,',
    'which takes items from a table, about 20 a second. A guard watches each instance. A leader holds a',
    `lease of ${ttlMs} ms that it renews all the time; a silent one is replaced when that has run out.`,
    '',
  );
}

const tooLong = (): LockdError =>
  new LockdError(
    'LOCKD_TIMEOUT',
    'The demo took too long. Is this machine very busy? Try again, or with a longer --ttl.',
  );
