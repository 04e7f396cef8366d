import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { descendants } from '../../src/embedded/processes.ts';

export interface ProcessOptions {
  /** Added to this process's environment; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const cli = fileURLToPath(new URL('../../bin/lockd.js', import.meta.url));

/** The built CLI as a real child. */
export function startCli(args: readonly string[], options?: ProcessOptions): TestProcess {
  return startNode(cli, args, options);
}

/** A script, given as a path or a `file:` URL, as a real child of this Node. */
export function startNode(
  script: string | URL,
  args: readonly string[] = [],
  options?: ProcessOptions,
): TestProcess {
  const path = script instanceof URL ? fileURLToPath(script) : script;
  return new TestProcess(process.execPath, [path, ...args], options);
}

/** A child in a process group of its own. Dispose of it to be sure that nothing of it is left. */
export class TestProcess implements AsyncDisposable {
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  /** Settles when the process itself has exited. */
  readonly exited: Promise<Exit>;
  /** Settles when its output is complete, too: children that inherited it keep it open. */
  readonly closed: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #listeners = new Set<() => void>();
  #seen = 0;
  #exit: Exit | undefined;
  #isClosed = false;

  constructor(command: string, args: readonly string[], { env, cwd }: ProcessOptions = {}) {
    this.#child = spawn(command, args, {
      detached: true,
      env: { ...process.env, ...env },
      cwd,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    // Writing to a process that is gone is what some tests are about.
    this.#child.stdin?.on('error', () => {});
    this.#collect(this.#child.stdout, this.stdout);
    this.#collect(this.#child.stderr, this.stderr);
    this.exited = this.#ending('exit');
    this.closed = this.#ending('close');
    this.exited.then(
      (exit) => {
        this.#exit = exit;
      },
      () => {},
    );
    this.closed.then(
      () => {
        this.#isClosed = true;
        this.#notify();
      },
      () => {},
    );
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('The process did not start.');
    return this.#child.pid;
  }

  get hasExited(): boolean {
    return this.#exit !== undefined;
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  closeStdin(): void {
    this.#child.stdin?.end();
  }

  /** To the process alone, as an operator's `kill` would. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** To the whole process group, as a terminal's Ctrl-C would. */
  signalGroup(signal: NodeJS.Signals): void {
    process.kill(-this.pid, signal);
  }

  /**
   * The next line, of either stream, that matches; each call looks on behind the line the last
   * one found. Rejects with the output if the process ends or the time is over first.
   */
  async line(pattern: RegExp | ((line: string) => boolean), timeoutMs = 10_000): Promise<string> {
    const matches = typeof pattern === 'function' ? pattern : (line: string) => pattern.test(line);
    return new Promise((resolve, reject) => {
      const settle = (outcome: () => void) => {
        this.#listeners.delete(look);
        clearTimeout(timer);
        outcome();
      };
      const fail = (why: string) => {
        const output = this.#lines.slice(-40).join('\n');
        settle(() => reject(new Error(`No line matched ${pattern}: ${why}. Output:\n${output}`)));
      };
      const look = () => {
        const index = this.#lines.findIndex((line, at) => at >= this.#seen && matches(line));
        if (index !== -1) {
          this.#seen = index + 1;
          settle(() => resolve(this.#lines[index] as string));
        } else if (this.#isClosed) {
          fail(`the process ended (${this.#exit?.signal ?? this.#exit?.code})`);
        }
      };
      const timer = setTimeout(() => fail(`${timeoutMs} ms are over`), timeoutMs);
      this.#listeners.add(look);
      look();
    });
  }

  /** SIGKILL to the process, its group and its descendants in other groups, frozen or not. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.pid !== undefined) {
      const below = this.hasExited ? [] : await descendants(this.pid);
      for (const pid of [-this.pid, ...below]) killIfAlive(pid);
    }
    await this.exited.catch(() => {});
    // Whatever inherited the output and got away must not keep us waiting.
    for (const stream of this.#child.stdio) stream?.destroy();
    await this.closed.catch(() => {});
  }

  #ending(event: 'exit' | 'close'): Promise<Exit> {
    return new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once(event, (code: Exit['code'], signal: Exit['signal']) => {
        resolve({ code, signal });
      });
    });
  }

  #collect(stream: Readable | null, lines: string[]): void {
    if (stream === null) return;
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      this.#lines.push(line);
      this.#notify();
    });
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

function killIfAlive(pid: number): void {
  for (const signal of ['SIGKILL', 'SIGCONT'] as const) {
    try {
      process.kill(pid, signal);
    } catch {
      // It is gone already.
    }
  }
}
