import type { SingletonLockOptions } from '../../src/index.ts';
import { startNode, type TestProcess } from './processes.ts';

export interface HostOptions
  extends Omit<Partial<SingletonLockOptions>, 'clock' | 'random' | 'logger'> {
  /** The file that its password function reads. */
  readonly passwordFile?: string;
}

/** One line of test/support/host.js. */
export interface HostLine {
  readonly is: string;
  /** On the monotonic clock that all processes of this machine share, in ms. */
  readonly at: number;
  readonly token?: string;
  readonly reason?: string;
  readonly isActive?: boolean;
  /** When its gate was last seen open. */
  readonly lastTrue?: number;
  /** `valid`: how long its term may be trusted, as of now. */
  readonly until?: number;
  readonly samples?: number;
}

/** A controller in a process of its own, which can be frozen, killed and blocked. */
export class Host implements AsyncDisposable {
  readonly process: TestProcess;

  constructor(options: HostOptions, env: Readonly<Record<string, string>> = {}) {
    const program = new URL('host.js', import.meta.url);
    this.process = startNode(program, [JSON.stringify(options)], { env });
  }

  get lines(): HostLine[] {
    return this.process.stdout.map((line) => JSON.parse(line));
  }

  of(is: string): HostLine[] {
    return this.lines.filter((line) => line.is === is);
  }

  /** The next line of this kind, behind the one that was found last. */
  async next(is: string, timeoutMs = 15_000): Promise<HostLine> {
    const matches = (line: string) => line.startsWith('{') && JSON.parse(line).is === is;
    return JSON.parse(await this.process.line(matches, timeoutMs));
  }

  tell(command: 'block' | 'work' | 'finish' | 'report' | 'resign' | 'stop', ms?: number): void {
    this.process.write(`${JSON.stringify({ do: command, ms })}\n`);
  }

  freeze(): void {
    this.process.signal('SIGSTOP');
  }

  thaw(): void {
    this.process.signal('SIGCONT');
  }

  kill(): void {
    this.process.signal('SIGKILL');
  }

  /** The last moment at which it can have claimed to lead, as far as it has told. */
  get trustedUntil(): number {
    return Math.max(...this.of('valid').map(({ until }) => until ?? 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process[Symbol.asyncDispose]();
  }
}
