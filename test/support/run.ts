import { descendants } from '../../src/embedded/processes.ts';
import type { Claim } from './claims.ts';
import type { TestProcess } from './processes.ts';
import { until } from './wait.ts';

/** One `lockd run`: the process is the guard. */
export class Run {
  readonly label: string;
  readonly process: TestProcess;
  readonly #claims: (which: Partial<Claim>) => Claim[];
  readonly #tokens = new Set<string>();
  #supervisor: Promise<number> | undefined;

  constructor(label: string, process: TestProcess, claims: (which: Partial<Claim>) => Claim[]) {
    this.#claims = claims;
    this.label = label;
    this.process = process;
  }

  get guard(): number {
    return this.process.pid;
  }

  get supervisor(): Promise<number> {
    this.#supervisor ??= until(async () => (await descendants(this.guard))[0], {
      describe: () => `there is a supervisor. ${this}`,
    });
    return this.#supervisor;
  }

  /** The first claim of its command in its next term. */
  async leads(timeoutMs = 20_000): Promise<Claim> {
    await this.supervisor; // while it lives, so that a test that kills it knows whom
    const { label } = this;
    const isNew = ({ token }: Claim) => !this.#tokens.has(token);
    const claim = await until(() => this.#claims({ label, kind: 'claim' }).find(isNew), {
      describe: () => `a command runs. ${this}`,
      timeoutMs,
    });
    this.#tokens.add(claim.token);
    return claim;
  }

  async standsBy(): Promise<void> {
    await this.supervisor;
    await this.process.line(/observed a leader/, 20_000);
  }

  /** Its own exit code, or the signal that ended the guard. */
  async exit(timeoutMs = 15_000): Promise<number | NodeJS.Signals | null> {
    await until(() => this.process.hasExited, {
      timeoutMs,
      describe: () => `it has exited. ${this}`,
    });
    const { code, signal } = await this.process.exited;
    return code ?? signal;
  }

  logged(message: string): boolean {
    return this.process.stderr.some((line) => line.includes(message));
  }

  /** In order, whatever state the test has left it in. */
  async stop(): Promise<void> {
    const pids = [this.guard, ...(await descendants(this.guard))];
    for (const pid of pids) signal(pid, 'SIGCONT');
    if (this.process.hasExited) return;
    this.process.signal('SIGTERM');
    await this.exit();
  }

  toString(): string {
    return `${this.label} said:\n${this.process.stderr.slice(-30).join('\n')}`;
  }
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It is gone already.
  }
}
