import { fileURLToPath } from 'node:url';
import { descendants } from '../../src/embedded/processes.ts';
import { startCli, startNode, type TestProcess } from '../support/processes.ts';
import type { FaultProxy } from '../support/proxy.ts';
import { signal } from '../support/run.ts';

/**
 * `run`: `lockd run`. `guarded` and `plain`: the library, with and without a guard. `guarded-holder` and
 * `holder`: the same, with resource locks.
 */
export type Kind = 'run' | 'guarded' | 'plain' | 'guarded-holder' | 'holder';

export type Role = 'guard' | 'supervisor' | 'command' | 'host' | 'witness';

export interface InstanceSettings {
  readonly label: string;
  readonly kind: Kind;
  readonly name: string;
  readonly ttlMs: number;
  readonly takeover: 'safe' | 'fast';
  /** Its own way to the database, which fails for it alone. */
  readonly proxy: FaultProxy;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** How long its work goes on when it is asked to end. */
  readonly finishMs: number;
}

const command = fileURLToPath(new URL('processes/command.js', import.meta.url));
const host = new URL('processes/host.js', import.meta.url);
const holder = new URL('processes/holder.js', import.meta.url);

/** One of those that want to lead, over as many lives as it takes. */
export class Instance {
  readonly label: string;
  readonly kind: Kind;
  readonly proxy: FaultProxy;
  readonly #settings: InstanceSettings;
  #process: TestProcess | undefined;
  #lastWords: readonly string[] = [];
  starts = 0;

  constructor(settings: InstanceSettings) {
    this.#settings = settings;
    this.label = settings.label;
    this.kind = settings.kind;
    this.proxy = settings.proxy;
  }

  /** It has a witness, at least in the beginning. */
  get isGuarded(): boolean {
    return this.kind === 'guarded' || this.kind === 'guarded-holder';
  }

  get isRunning(): boolean {
    return this.#process?.hasExited === false;
  }

  get process(): TestProcess {
    if (this.#process === undefined) throw new Error(`${this.label} was never started.`);
    return this.#process;
  }

  /** As a service manager would. */
  start(): void {
    if (this.isRunning) return;
    this.#lastWords = this.#process?.stderr.slice(-12) ?? [];
    const { name, label, ttlMs, takeover, kind, finishMs } = this.#settings;
    const env = {
      ...this.#settings.env,
      CHAOS_LABEL: label,
      DATABASE_URL: this.proxy.url(),
    };
    this.starts += 1;
    if (kind === 'run') {
      const flags = ['--ttl', `${ttlMs}ms`, '--label', label, '--takeover', takeover, '--json'];
      const words = [process.execPath, command, `${finishMs}`];
      this.#process = startCli(['run', name, ...flags, '--', ...words], { env });
      return;
    }
    const guard = this.isGuarded;
    if (kind === 'holder' || kind === 'guarded-holder') {
      this.#process = startNode(holder, [JSON.stringify({ label, ttlMs, guard })], { env });
      return;
    }
    const options = { name, label, ttlMs, takeover, guard };
    this.#process = startNode(host, [JSON.stringify(options), `${finishMs}`], { env });
  }

  /** Its processes that a fault can single out. A command is known by its claims: see the stage. */
  get roles(): readonly Role[] {
    if (this.kind === 'run') return ['guard', 'supervisor'];
    return this.isGuarded ? ['host', 'witness'] : ['host'];
  }

  /** Undefined while there is none. */
  async pid(role: Role): Promise<number | undefined> {
    if (!this.isRunning) return undefined;
    if (role === 'guard' || role === 'host') return this.process.pid;
    return (await descendants(this.process.pid))[0];
  }

  /** Blocks the event loop of a host that embeds the library. */
  block(ms: number): void {
    this.process.write(`${ms}\n`);
  }

  /** In order. */
  ask(): void {
    if (this.isRunning) this.process.signal('SIGTERM');
  }

  /** All of it at one stroke, as when a machine goes: nobody of it is left to do anything. */
  async killAll(): Promise<void> {
    if (!this.isRunning) return;
    const below = await descendants(this.process.pid);
    // The lowest first: who dies must not have the time to be noticed from below.
    for (const pid of [...below].reverse()) signal(pid, 'SIGKILL');
    signal(this.process.pid, 'SIGKILL');
  }

  /** The end of what its processes have said. */
  tail(lines = 25): string {
    const said = [...this.#lastWords, '—', ...(this.#process?.stderr.slice(-lines) ?? [])].join(
      '\n',
    );
    return `${this.label} (${this.kind}, start ${this.starts}, ${this.isRunning ? 'running' : 'ended'}):\n${said}`;
  }
}
