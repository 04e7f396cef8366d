import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { markedProcesses } from '../support/marked.ts';
import { signal } from '../support/run.ts';
import { until } from '../support/wait.ts';
import type { Acknowledged } from './claim.ts';
import type { Instance, Role } from './instance.ts';
import { Servers } from './servers.ts';

/** Nothing that is broken takes this long to mend itself, on the slowest of machines. */
const patienceMs = 45_000;

export interface Site {
  readonly servers: Servers;
  readonly folder: string;
}

/** What faults strike: a server, the instances on it, and a bad network for each. */
export abstract class Ground implements AsyncDisposable {
  readonly servers: Servers;
  readonly instances: Instance[] = [];
  protected readonly marker = `chaos-${randomUUID()}`;
  readonly #folder: string;
  readonly #frozen = new Set<number>();
  /** Of promotions that a replica was not told everything before. */
  readonly #amnesties: { readonly from: number; readonly to: number }[] = [];

  protected constructor({ servers, folder }: Site) {
    this.servers = servers;
    this.#folder = folder;
  }

  protected static async site(): Promise<Site> {
    const folder = await mkdtemp(join(tmpdir(), 'lockd-chaos-'));
    return { servers: await Servers.start(), folder };
  }

  /** What is led, where something is. */
  readonly name: string | undefined = undefined;

  /** Whom most faults are for: undefined while there is nobody. */
  abstract get leader(): Instance | undefined;

  /** Of this instance's process. */
  abstract pid(instance: Instance, role: Role): Promise<number | undefined>;

  /** Of this instance's sessions; the first is the one that has the seat or waits for it. */
  abstract backends(instance: Instance): Promise<number[]>;

  /** Takes back every fault, and resolves when everything is as it should be. */
  abstract settle(): Promise<void>;

  freeze(pid: number): void {
    this.#frozen.add(pid);
    signal(pid, 'SIGSTOP');
  }

  thaw(pid: number): void {
    this.#frozen.delete(pid);
    signal(pid, 'SIGCONT');
  }

  /** As an administrator would. Resolves with how many there were. */
  async terminate(pids: readonly number[]): Promise<number> {
    const rows = await this.servers.query(
      'select from unnest($1::int[]) as its(pid) where pg_terminate_backend(pid)',
      [pids],
    );
    return rows.length;
  }

  async terminateAll(applicationNameLike: string): Promise<number> {
    const rows = await this.servers.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name like $1 and backend_type = 'client backend' and pid <> pg_backend_pid()`,
      [applicationNameLike],
    );
    return rows.length;
  }

  /** SIGKILL to the backend of one of its sessions, after which the server starts all over. */
  async killBackend(instance: Instance): Promise<boolean> {
    const [pid] = await this.backends(instance);
    if (pid === undefined) return false;
    signal(pid, 'SIGKILL');
    const isThere = 'select from pg_stat_activity where pid = $1';
    const isGone = () =>
      this.servers.query(isThere, [pid]).then(
        (rows) => rows.length === 0,
        () => true, // it answers nobody: it is starting over
      );
    await until(isGone);
    return true;
  }

  /** Everybody's way leads to the server that is the primary now. */
  redirect(): void {
    for (const { proxy } of this.instances) {
      proxy.pointAt(this.servers.url);
      proxy.cut();
    }
  }

  forgiveLosses(from: number, to: number): void {
    this.#amnesties.push({ from, to });
  }

  mayBeLost = ({ at }: Acknowledged): boolean =>
    this.#amnesties.some(({ from, to }) => at >= from && at <= to);

  protected async heal(): Promise<void> {
    for (const pid of this.#frozen) this.thaw(pid);
    await this.servers.start();
    for (const { proxy } of this.instances) {
      proxy.heal();
      await proxy.accept();
      // Those that are closed would only be told of faults in vain.
      proxy.connections.splice(0, Infinity, ...proxy.connections.filter(({ isOpen }) => isOpen));
    }
  }

  protected reached(what: string, condition: () => boolean | Promise<boolean>): Promise<boolean> {
    const describe = () =>
      `${what}.\n${this.instances.map((instance) => instance.tail()).join('\n\n')}`;
    return until(condition, { timeoutMs: patienceMs, describe });
  }

  /** Everything ends in order; whoever does not is a finding. */
  async end(): Promise<void> {
    await this.heal();
    for (const instance of this.instances) instance.ask();
    const isOver = async () => (await markedProcesses(this.marker)).length === 0;
    await this.reached('every process has ended', isOver);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { pid } of await markedProcesses(this.marker)) signal(pid, 'SIGKILL');
    for (const instance of this.instances) {
      if (instance.starts > 0) await instance.process[Symbol.asyncDispose]();
      await instance.proxy[Symbol.asyncDispose]();
    }
    await this.servers[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
