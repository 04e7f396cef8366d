import type { AcquireOptions, ResourceLockOptions } from '../../../src/index.ts';
import { startNode, type TestProcess } from '../../support/processes.ts';
import { until } from '../../support/wait.ts';

/** One line of worker.js. */
export interface Line {
  readonly is: string;
  /** On the monotonic clock that all processes of this machine share, in ms. */
  readonly at: number;
  readonly id?: string;
  readonly resource?: string;
  readonly token?: string;
  readonly code?: string;
  readonly message?: string;
  /** When it last said of itself that it holds. */
  readonly lastTrue?: number;
  readonly holding?: readonly string[];
  readonly from?: number;
  readonly until?: number;
}

export type WorkerOptions = Omit<ResourceLockOptions, 'clock' | 'random' | 'logger'>;

type Order =
  | ({ do: 'acquire'; id: string; resource?: string } & Omit<AcquireOptions, 'signal'>)
  | { do: 'release' | 'fence'; id: string; forMs?: number }
  | { do: 'crowd'; from: number; to: number; resource: string; file: string }
  | {
      do: 'traffic';
      streams: number;
      resources: readonly string[];
      mode?: AcquireOptions['mode'];
      holdMs?: number;
    }
  | { do: 'quiet' | 'report' | 'start' | 'stop' };

/** A manager in a process of its own, which can be frozen and killed. */
export class Worker implements AsyncDisposable {
  readonly process: TestProcess;
  readonly #lines: Line[] = [];

  constructor(options: WorkerOptions) {
    this.process = startNode(new URL('worker.js', import.meta.url), [JSON.stringify(options)]);
  }

  get lines(): readonly Line[] {
    const { stdout } = this.process;
    while (this.#lines.length < stdout.length) {
      this.#lines.push(JSON.parse(stdout[this.#lines.length] as string));
    }
    return this.#lines;
  }

  of(is: string): Line[] {
    return this.lines.filter((line) => line.is === is);
  }

  tell(order: Order): void {
    this.process.write(`${JSON.stringify(order)}\n`);
  }

  /** The first line of this kind, about `id`, if it is about one. */
  hears(is: string, id?: string, timeoutMs = 20_000): Promise<Line> {
    return until(
      () => this.lines.find((line) => line.is === is && (id === undefined || line.id === id)),
      {
        timeoutMs,
        describe: () =>
          `a process says \`${is}\` ${id ?? ''}. It said:\n${[...this.process.stdout, ...this.process.stderr].slice(-20).join('\n')}`,
      },
    );
  }

  /** Has it, as soon as it has. */
  hold(id: string, options: Omit<AcquireOptions, 'signal'> = {}): Promise<Line> {
    this.tell({ do: 'acquire', id, ...options });
    return this.hears('held', id);
  }

  signal(signal: NodeJS.Signals): void {
    this.process.signal(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process[Symbol.asyncDispose]();
  }
}

export interface Workers extends AsyncDisposable {
  start(options?: Partial<WorkerOptions>): Promise<Worker>;
}

/** Processes that end with the test. */
export function workersAt(url: string, common: Partial<WorkerOptions> = {}): Workers {
  const all: Worker[] = [];
  return {
    async start(options = {}) {
      const worker = new Worker({ connectionString: url, ttlMs: 1_500, ...common, ...options });
      all.push(worker);
      await worker.hears('ready');
      return worker;
    },
    async [Symbol.asyncDispose]() {
      for (const worker of all) await worker[Symbol.asyncDispose]();
    },
  };
}
