import { descendants } from '../../src/embedded/processes.ts';
import type { TestProcess } from '../support/processes.ts';
import { signal } from '../support/run.ts';
import { until } from '../support/wait.ts';
import type { LogLine } from './excerpts.ts';

/** `lockd run` or bot.js. */
export class Instance {
  readonly label: string;
  readonly process: TestProcess;

  constructor(label: string, process: TestProcess) {
    this.label = label;
    this.process = process;
  }

  get pid(): number {
    return this.process.pid;
  }

  get log(): LogLine[] {
    return this.process.stderr
      .filter((line) => /^\{.*\}$/.test(line))
      .map((line) => JSON.parse(line));
  }

  /** The first line of this message, as soon as it is there. */
  says(message: string, timeoutMs = 30_000): Promise<LogLine> {
    return until(() => this.log.find(({ msg }) => msg === message), {
      timeoutMs,
      describe: () => `it says "${message}". ${this}`,
    });
  }

  /** The supervisor of `lockd run`. */
  supervisor(): Promise<number> {
    return until(async () => (await descendants(this.pid))[0]);
  }

  /** Exit code, or the signal that ended it. */
  async exit(): Promise<number | NodeJS.Signals | null> {
    await until(() => this.process.hasExited, {
      timeoutMs: 20_000,
      describe: () => `it has exited. ${this}`,
    });
    const { code, signal: name } = await this.process.exited;
    return code ?? name;
  }

  /** In order, whatever the incident has done to it; what does not heed that is killed. */
  async stop(): Promise<void> {
    if (this.process.hasExited) return;
    for (const pid of [this.pid, ...(await descendants(this.pid))]) signal(pid, 'SIGCONT');
    this.process.signal('SIGTERM');
    await until(() => this.process.hasExited, { timeoutMs: 8_000 }).catch(() => {});
    await this.process[Symbol.asyncDispose]();
  }

  toString(): string {
    return `${this.label} said:\n${this.process.stderr.slice(-30).join('\n')}`;
  }
}
