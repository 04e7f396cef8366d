import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { descendants, isAlive, processIdentity } from '../../embedded/processes.ts';
import type { WorkerLine } from './worker.ts';

const lockd = fileURLToPath(new URL('../../../bin/lockd.js', import.meta.url));
const worker = fileURLToPath(new URL('./worker.js', import.meta.url));

export interface InstanceOptions {
  /** A letter. */
  readonly label: string;
  readonly name: string;
  readonly ttlMs: number;
  readonly takeover: 'safe' | 'fast' | undefined;
  readonly connectionString: string;
  readonly schema: string;
  /** Something was heard of it. */
  readonly logged: (line: LogLine) => void;
}

/** A log line of its guard or its supervisor. */
export interface LogLine {
  readonly msg: string;
  readonly pid: number;
  readonly process?: 'guard' | 'supervisor';
  readonly token?: string;
  readonly [field: string]: unknown;
}

/** One `lockd run`, started as a user would: guard, supervisor and, while it leads, the worker. */
export class Instance {
  readonly label: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #heard = new Set<() => void>();
  #supervisor: number | undefined;
  #worker: number | undefined;
  /** Numbers are given out again: what is killed at the end has to be what was started here. */
  readonly #identities: Promise<string | undefined>[] = [];
  #standsBy = false;
  #token: bigint | undefined;
  #begun = 0;
  #finished = 0;
  #refused: number | undefined;
  #hasExited = false;

  constructor({ label, name, ttlMs, takeover, connectionString, schema, logged }: InstanceOptions) {
    this.label = label;
    const flags = ['--label', label, '--ttl', `${ttlMs}ms`, '--json', '--log-level', 'info'];
    const fast = takeover === undefined ? [] : ['--takeover', takeover];
    this.#child = spawn(
      process.execPath,
      [lockd, 'run', name, ...flags, ...fast, '--', process.execPath, worker],
      {
        // Ctrl-C is the demo's: it ends its instances in order, frozen ones included.
        detached: true,
        env: { ...environment(), LOCKD_DATABASE_URL: connectionString, LOCKD_SCHEMA: schema },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    this.#exited = once(this.#child, 'exit').finally(() => {
      this.#hasExited = true;
      this.#tellWaiting();
    });
    this.#exited.catch(() => {}); // it could not be started: whoever waits for it hears of that
    lines(this.#child.stdout, (line) => this.#hearWorker(line as WorkerLine));
    lines(this.#child.stderr, (line) => {
      this.#hearLog(line as LogLine);
      logged(line as LogLine);
    });
  }

  /** Of its term; undefined before. */
  get token(): bigint | undefined {
    return this.#token;
  }

  /** The item that its worker was not allowed to finish. */
  get refusedItem(): number | undefined {
    return this.#refused;
  }

  /** To `lockd run`, as a platform does that wants it to end. */
  terminate(): void {
    this.#child.kill('SIGTERM');
  }

  /** To the process that leads, and to none else. */
  signalSupervisor(signal: NodeJS.Signals): void {
    send(this.#supervisor, signal);
  }

  signalWorker(signal: NodeJS.Signals): void {
    send(this.#worker, signal);
  }

  /** To the process that was started as `lockd run`. */
  signalGuard(signal: NodeJS.Signals): void {
    send(this.#child.pid, signal);
  }

  standsBy(): Promise<void> {
    return this.#until('stood by', () => this.#standsBy);
  }

  leads(): Promise<void> {
    return this.#until('led', () => this.#token !== undefined);
  }

  /** Until it has begun its first item. */
  works(): Promise<void> {
    return this.#until('worked', () => this.#begun > 0);
  }

  /** Until its worker is in the middle of its next item. */
  isBusy(): Promise<void> {
    const begun = this.#begun;
    return this.#until('began another item', () => this.#begun > begun);
  }

  /** Until it has finished so many more. */
  finishes(items: number): Promise<void> {
    const enough = this.#finished + items;
    return this.#until('did its work', () => this.#finished >= enough);
  }

  isRefused(): Promise<void> {
    return this.#until('was refused', () => this.#refused !== undefined);
  }

  async exited(): Promise<void> {
    await this.#exited;
  }

  /** Ends it in order, whatever state it was brought into; after `graceMs` by force. */
  async end(graceMs: number): Promise<void> {
    if (this.#child.pid === undefined) return;
    for (const pid of await this.#living()) send(pid, 'SIGCONT');
    if (!this.#hasExited) this.terminate();
    const timer = setTimeout(async () => {
      for (const pid of await this.#living()) send(pid, 'SIGKILL');
    }, graceMs);
    await this.#exited.catch(() => {});
    clearTimeout(timer);
    // Only what a broken guard has left behind; the guard is gone now, and nothing new can come.
    for (const pid of await this.#living()) send(pid, 'SIGKILL');
  }

  /** What there is of it, in whatever process group. */
  async #living(): Promise<number[]> {
    const known = (await Promise.all(this.#identities)).filter((one) => one !== undefined);
    const alive = await Promise.all(known.map(isAlive));
    const pids = known.filter((_, index) => alive[index]).map((one) => Number.parseInt(one, 10));
    const guard = this.#hasExited ? [] : [this.#child.pid as number];
    const below = await Promise.all([...guard, ...pids].map(descendants));
    return [...new Set([...guard, ...pids, ...below.flat()])];
  }

  #hearWorker(line: WorkerLine): void {
    if (line.is === 'begun') this.#begun += 1;
    if (line.is === 'finished') this.#finished += 1;
    if (line.is === 'refused') this.#refused = line.item;
    this.#tellWaiting();
  }

  #hearLog({ process: part, pid, msg, token, group }: LogLine): void {
    if (part === 'supervisor') this.#supervisor ??= this.#know(pid);
    if (msg === 'waits for the seat') this.#standsBy = true;
    if (msg === 'became active' && token !== undefined) this.#token = BigInt(token);
    if (msg === 'started the command') this.#worker = this.#know(group as number);
    this.#tellWaiting();
  }

  #know(pid: number): number {
    this.#identities.push(processIdentity(pid));
    return pid;
  }

  #tellWaiting(): void {
    for (const look of [...this.#heard]) look();
  }

  #until(what: string, isSo: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (isSo()) resolve();
        else if (this.#hasExited) reject(new Error(`${this.label} ended before it ${what}.`));
        else return;
        this.#heard.delete(look);
      };
      this.#heard.add(look);
      look();
    });
  }
}

/** What the user has set for their own instances is not meant for these. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('LOCKD_')),
  );
}

function send(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already.
  }
}

function lines(stream: NodeJS.ReadableStream | null, hear: (line: unknown) => void): void {
  if (stream === null) return;
  createInterface({ input: stream }).on('line', (line) => {
    // Whoever is killed in the middle of a line leaves half of one.
    if (line.startsWith('{') && line.endsWith('}')) hear(JSON.parse(line));
  });
}
