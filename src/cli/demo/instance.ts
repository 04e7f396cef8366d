import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../core/clock.ts';
import { type Deferred, deferred } from '../../core/deferred.ts';

const lockd = fileURLToPath(new URL('../../../bin/lockd.js', import.meta.url));
const worker = fileURLToPath(new URL('./worker.js', import.meta.url));

export interface InstanceOptions {
  readonly label: string;
  readonly name: string;
  readonly ttlMs: number;
  readonly databaseUrl: string;
  readonly schema: string;
  /** A log line of its guard or supervisor. */
  readonly logged: (line: LogLine) => void;
}

export interface LogLine {
  readonly msg: string;
  readonly pid: number;
  readonly process?: 'guard' | 'supervisor';
  readonly token?: string;
  readonly [field: string]: unknown;
}

/** One `lockd run`, as a user would start it. */
export class Instance {
  readonly label: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #standsBy = deferred();
  readonly #works = deferred<number>();
  #supervisor: number | undefined;
  #finished = 0;
  #awaited: { at: number; enough: Deferred<void> } | undefined;
  /** When it last finished an item, on the clock that all processes share. */
  finishedAt = 0;
  /** When its supervisor told that it leads. */
  ledAt = 0;

  constructor({ label, name, ttlMs, databaseUrl, schema, logged }: InstanceOptions) {
    this.label = label;
    this.#child = spawn(
      process.execPath,
      [
        lockd,
        'run',
        name,
        '--label',
        label,
        '--ttl',
        `${ttlMs}ms`,
        '--json',
        '--',
        process.execPath,
        worker,
      ],
      {
        env: {
          ...process.env,
          LOCKD_DATABASE_URL: databaseUrl,
          LOCKD_SCHEMA: schema,
          LOCKD_LOG_LEVEL: 'debug',
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    this.#exited = once(this.#child, 'exit');
    lines(this.#child.stdout, (line) => {
      if (line['what'] === 'begun') this.#works.resolve(line['at'] as number);
      else this.#finish(line['at'] as number);
    });
    lines(this.#child.stderr, (line) => {
      const entry = line as LogLine;
      if (entry.process === 'supervisor') this.#supervisor = entry.pid;
      if (entry.msg === 'waits for the seat') this.#standsBy.resolve();
      if (entry.msg === 'became active') this.ledAt = systemClock.mono();
      logged(entry);
    });
  }

  /** To `lockd run`, as a platform does. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** To the process that leads, without a word to anybody. */
  kill(signal: NodeJS.Signals): void {
    if (this.#supervisor !== undefined) process.kill(this.#supervisor, signal);
  }

  /** It stands in the queue. */
  get standsBy(): Promise<void> {
    return this.#standsBy.promise;
  }

  /** When it began its first item. */
  get works(): Promise<number> {
    return this.#works.promise;
  }

  get exited(): Promise<unknown> {
    return this.#exited;
  }

  /** Resolves when it has finished so many more items. */
  async finishes(items: number): Promise<void> {
    const enough = deferred();
    this.#awaited = { at: this.#finished + items, enough };
    await enough.promise;
  }

  /** Ends it in order, whatever state it was brought into. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGTERM');
    await this.#exited;
  }

  #finish(at: number): void {
    this.finishedAt = at;
    this.#finished += 1;
    if (this.#finished === this.#awaited?.at) this.#awaited.enough.resolve();
  }
}

function lines(
  stream: NodeJS.ReadableStream | null,
  hear: (line: Record<string, unknown>) => void,
): void {
  if (stream === null) return;
  createInterface({ input: stream }).on('line', (line) => {
    // Whoever is killed in the middle of a line leaves half of one.
    if (line.startsWith('{') && line.endsWith('}')) hear(JSON.parse(line));
  });
}
