import { systemClock } from '../core/clock.ts';
import { LockdError } from '../core/errors.ts';
import { createItems, dropSchema, judgeItems, type Verdict } from '../postgres/demo-items.ts';
import { migrate } from '../postgres/migrate.ts';
import { Instance, type LogLine } from './demo/instance.ts';
import { ExitCode } from './exit-codes.ts';
import type { CommonOptions } from './options.ts';
import { print, printJson } from './output.ts';
import { stopSignals } from './signals.ts';

const ttlMs = 3_000;
const longestMs = 60_000;

interface Act {
  readonly act: 'handover' | 'crash' | 'freeze';
  /** From the last item the old leader finished until the new one led. */
  readonly leadMs: number;
  /** And until it had started its worker, which had begun its first item. */
  readonly workMs: number;
}

/** Plays a handover, a crash and a freeze with real processes; the table they worked on judges. */
export async function demo({ databaseUrl, isJson }: CommonOptions): Promise<number> {
  const stopping = new AbortController();
  const stop = (): void => stopping.abort(new LockdError('LOCKD_STOPPED', 'The demo was stopped.'));
  for (const signal of stopSignals) process.on(signal, stop);
  const timer = setTimeout(
    () => stopping.abort(new LockdError('LOCKD_TIMEOUT', 'The demo took too long.')),
    longestMs,
  );
  const database = await openDatabase(databaseUrl);
  const play = new Play(database, isJson ? () => {} : print, stopping.signal);
  try {
    const { acts, verdict } = await play.run();
    const isClean = verdict.processed > 0 && verdict.twice + verdict.cutInHalf + verdict.lost === 0;
    if (isJson) printJson({ acts, verdict, isClean });
    return isClean ? ExitCode.ok : ExitCode.nobody;
  } finally {
    clearTimeout(timer);
    await play.end();
    await database.close();
    for (const signal of stopSignals) process.off(signal, stop);
  }
}

interface DemoDatabase {
  readonly connectionString: string;
  readonly schema: string;
  readonly kind: string;
  close(): Promise<void>;
}

/** The one that was named, in a schema of its own; else a server of its own. Neither is left behind. */
async function openDatabase(databaseUrl: string | undefined): Promise<DemoDatabase> {
  const schema = `lockd_demo_${process.pid}`;
  if (databaseUrl !== undefined) {
    const options = { connectionString: databaseUrl, schema };
    return { ...options, kind: 'the database you named', close: () => dropSchema(options) };
  }
  const { startCluster } = await import('../embedded/cluster.ts');
  const cluster = await startCluster({ socketOnly: true });
  return {
    connectionString: cluster.url(),
    schema,
    kind: 'a PostgreSQL of its own',
    close: () => cluster[Symbol.asyncDispose](),
  };
}

class Play {
  readonly #database: DemoDatabase;
  readonly #print: (text: string) => void;
  readonly #signal: AbortSignal;
  readonly #instances: Instance[] = [];
  readonly #acts: Act[] = [];
  readonly #startedAt = systemClock.mono();

  constructor(database: DemoDatabase, print: (text: string) => void, signal: AbortSignal) {
    this.#database = database;
    this.#print = print;
    this.#signal = signal;
  }

  async run(): Promise<{ acts: readonly Act[]; verdict: Verdict }> {
    this.#print(`lockd demo: \`lockd run\` processes on ${this.#database.kind}, TTL ${ttlMs} ms.`);
    this.#print('Each leads in turn and works through one table, an item each 20 ms.\n');
    await migrate(this.#database);
    await createItems(this.#database);
    const a = this.#start('A');
    await this.#by(a.works);
    const b = await this.#standBy('B');

    this.#say('1. Handover: SIGTERM to A, as a deploy does');
    a.signal('SIGTERM');
    await this.#succession('handover', a, b);

    const c = await this.#standBy('C');
    this.#say('2. Crash: SIGKILL to the process of B that leads');
    b.kill('SIGKILL');
    await this.#succession('crash', b, c);

    const d = await this.#standBy('D');
    this.#say('3. Freeze: SIGSTOP to the process of C that leads');
    c.kill('SIGSTOP');
    await this.#succession('freeze', c, d);

    await this.#by(this.#worked(d));
    await this.end();
    return this.#conclude(await judgeItems(this.#database));
  }

  async end(): Promise<void> {
    await Promise.all(this.#instances.map((instance) => instance.end()));
  }

  #start(label: string): Instance {
    const instance = new Instance({
      label,
      name: 'demo',
      ttlMs,
      databaseUrl: this.#database.connectionString,
      schema: this.#database.schema,
      logged: (line) => this.#tell(label, line),
    });
    this.#instances.push(instance);
    return instance;
  }

  async #standBy(label: string): Promise<Instance> {
    const instance = this.#start(label);
    await this.#by(instance.standsBy);
    this.#say(`${label} stands by`);
    await this.#by(this.#worked(this.#instances.at(-2)));
    return instance;
  }

  /** Until the leader has done some more work: a bit of ordinary life between the acts. */
  async #worked(instance: Instance | undefined): Promise<void> {
    await instance?.finishes(20);
  }

  async #succession(act: Act['act'], old: Instance, next: Instance): Promise<void> {
    const begunAt = await this.#by(next.works);
    await this.#by(old.exited);
    const leadMs = next.ledAt - old.finishedAt;
    const workMs = begunAt - old.finishedAt;
    this.#acts.push({ act, leadMs, workMs });
    this.#say(
      `   from the last item of ${old.label}: ${next.label} led after ${leadMs.toFixed(0)} ms, its worker worked after ${workMs.toFixed(0)} ms\n`,
    );
  }

  #conclude(verdict: Verdict): { acts: readonly Act[]; verdict: Verdict } {
    const { processed, twice, cutInHalf, lost } = verdict;
    this.#print(`\nSays the table: ${processed} items processed,`);
    this.#print(`  processed twice  ${twice}`);
    this.#print(`  cut in half      ${cutInHalf}`);
    this.#print(`  lost             ${lost}`);
    return { acts: this.#acts, verdict };
  }

  /** What an operator would see in the log of that instance, in fewer words. */
  #tell(label: string, { msg, token, reason, exitCode }: LogLine): void {
    const said: Record<string, string> = {
      'became active': `${label} leads, token ${token}`,
      'became passive': `${label} closes its gate: ${reason}`,
      drained: `${label} has finished its work`,
      'let the seat go': `${label} lets the seat go`,
      'won the seat, waits for the old lease to run out': `${label} has won the seat and waits for the old lease`,
      'the supervisor is silent, ends the command': `the guard of ${label} ends the worker of its silent supervisor`,
      'killed the command and the supervisor': `the guard of ${label} kills its silent supervisor`,
      'the supervisor died': `the guard of ${label} sees its supervisor dead`,
      testified: `the guard of ${label} testifies: nothing of it works any more`,
      'the command ended': `the worker of ${label} ended by itself, code ${exitCode}`,
    };
    const text = said[msg];
    if (text !== undefined) this.#say(`   ${text}`);
  }

  #say(text: string): void {
    const seconds = (systemClock.mono() - this.#startedAt) / 1000;
    this.#print(`${seconds.toFixed(3).padStart(7)} s  ${text}`);
  }

  /** Not for longer than the demo is wanted. */
  #by<Value>(promise: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(this.#signal.reason);
      if (this.#signal.aborted) abort();
      this.#signal.addEventListener('abort', abort, { once: true });
      promise.then(resolve, reject).finally(() => this.#signal.removeEventListener('abort', abort));
    });
  }
}
