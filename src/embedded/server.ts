import { type ChildProcess, spawn } from 'node:child_process';
import { within } from './deadline.ts';
import type { ServerLog } from './log.ts';
import { descendants } from './processes.ts';
import { commandOptions, runAs, type ServerUser } from './user.ts';

export const startDeadlineMs = 60_000;
const stopDeadlineMs = 60_000;
const orphanDeadlineMs = 1_000;

export type StopMode = 'smart' | 'fast' | 'immediate';
const stopSignals = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const;

export interface ServerOptions {
  readonly postgres: string;
  readonly arguments: readonly string[];
  readonly user: ServerUser;
  readonly log: ServerLog;
  readonly dieWithParent: boolean;
}

/** The server could not be started; `portTaken` when another port would do. */
export class StartError extends Error {
  readonly portTaken: boolean;

  constructor(what: string, log: ServerLog) {
    super(`PostgreSQL ${what}. The end of its log:\n${log.tail()}`);
    this.portTaken = /could not create any TCP\/IP sockets/.test(log.tail());
  }
}

/** One life of a postmaster, a child of this process. */
export class Server {
  readonly pid: number;
  /**
   * Settles when the postmaster and all its children are gone: each of them holds the pipe of
   * stderr open, so its end is the proof that nobody touches the data any more.
   */
  readonly gone: Promise<void>;
  readonly #child: ChildProcess;
  readonly #log: ServerLog;

  private constructor(child: ChildProcess, pid: number, log: ServerLog) {
    this.pid = pid;
    this.#child = child;
    this.#log = log;
    this.gone = new Promise((resolve) => child.once('close', () => resolve()));
  }

  /** Resolves when the server accepts connections. */
  static async start(options: ServerOptions): Promise<Server> {
    const { log } = options;
    const settled = new AbortController();
    const ready = log.next(/ready to accept (read-only )?connections/, settled.signal);
    const server = await Server.#spawn(options);
    try {
      const outcome = Promise.race([ready.then(() => true), server.gone.then(() => false)]);
      const isReady = await within(outcome, startDeadlineMs, () => 'is not ready in time');
      if (!isReady) throw new Error('exited while starting');
    } catch (error) {
      await server.kill();
      throw new StartError((error as Error).message, log);
    } finally {
      settled.abort();
    }
    return server;
  }

  static async #spawn({ postgres, user, log, ...options }: ServerOptions): Promise<Server> {
    const isTied = options.dieWithParent && (await canDieWithParent());
    const tie = ['--pdeathsig', 'INT', postgres];
    const child = spawn(
      isTied ? 'setpriv' : postgres,
      isTied ? [...tie, ...options.arguments] : options.arguments,
      { ...commandOptions(user), stdio: ['ignore', 'ignore', 'pipe'] },
    );
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => log.append(chunk));
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    return new Server(child, child.pid as number, log);
  }

  async stop(mode: StopMode): Promise<void> {
    this.#child.kill(stopSignals[mode]);
    this.#child.kill('SIGCONT'); // a test may have frozen it, and a frozen process heeds no signal
    await within(
      this.gone,
      stopDeadlineMs,
      () => `PostgreSQL did not stop (${mode}). The end of its log:\n${this.#log.tail()}`,
    );
  }

  /** SIGKILL to the postmaster alone. Its children notice by themselves, unless they are frozen. */
  async kill(): Promise<void> {
    const children = await descendants(this.pid);
    this.#child.kill('SIGKILL');
    await within(this.gone, orphanDeadlineMs, () => 'orphans').catch(() => {
      for (const pid of children) killIfAlive(pid);
    });
    await this.gone;
  }
}

let pdeathsigIsAvailable: Promise<boolean> | undefined;

/** Linux only. Without it a server outlives a parent that is killed outright. */
function canDieWithParent(): Promise<boolean> {
  pdeathsigIsAvailable ??= runAs({}, 'setpriv', ['--pdeathsig', 'INT', 'true']).then(
    () => true,
    () => false,
  );
  return pdeathsigIsAvailable;
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It went by itself.
  }
}
