import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { markedProcesses } from '../support/marked.ts';
import { startProxy } from '../support/proxy.ts';
import { signal } from '../support/run.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';
import type { Acknowledged } from './claim.ts';
import { Instance, type Kind, type Role } from './instance.ts';
import { Ledger } from './ledger.ts';
import { Servers } from './servers.ts';

export interface StageSettings {
  readonly ttlMs: number;
  readonly kinds: readonly Kind[];
  readonly takeover: 'safe' | 'fast';
  /** Whether the work asks the fence. */
  readonly isFenced: boolean;
}

/** Nothing that is broken takes this long to mend itself, on the slowest of machines. */
const patienceMs = 45_000;
/** How long one leader is looked at before the next fault. */
const calmMs = 250;

/** Where everything plays: a server, the instances that want to lead, and a bad network for each. */
export class Stage implements AsyncDisposable {
  readonly settings: StageSettings;
  readonly name = 'led';
  readonly servers: Servers;
  readonly instances: Instance[] = [];
  readonly ledger: Ledger;
  readonly #folder: string;
  readonly #marker = `chaos-${randomUUID()}`;
  readonly #frozen = new Set<number>();
  /** Of promotions that a replica was not told everything before. */
  readonly #amnesties: { readonly from: number; readonly to: number }[] = [];

  private constructor(settings: StageSettings, servers: Servers, folder: string) {
    this.settings = settings;
    this.servers = servers;
    this.#folder = folder;
    this.ledger = new Ledger(join(folder, 'claims'));
  }

  static async open(settings: StageSettings): Promise<Stage> {
    const folder = await mkdtemp(join(tmpdir(), 'lockd-chaos-'));
    const stage = new Stage(settings, await Servers.start(), folder);
    try {
      await stage.#populate();
      await stage.settle();
    } catch (error) {
      await stage[Symbol.asyncDispose]();
      throw error;
    }
    return stage;
  }

  async #populate(): Promise<void> {
    const { kinds, isFenced, ttlMs, takeover } = this.settings;
    for (const [index, kind] of kinds.entries()) {
      const env = {
        CHAOS_CLAIMS: this.ledger.file,
        CHAOS_MARKER: this.#marker,
        CHAOS_UNFENCED: isFenced ? undefined : '1',
      };
      const label = `${kind}-${index + 1}`;
      const proxy = await startProxy(this.servers.url);
      const common = { name: this.name, ttlMs, takeover, finishMs: 20 * index };
      this.instances.push(new Instance({ ...common, label, kind, proxy, env }));
    }
    for (const instance of this.instances) instance.start();
  }

  get leader(): Instance | undefined {
    const [label] = this.ledger.leading(now() - 500)?.labels ?? [];
    return this.instances.find((instance) => instance.label === label);
  }

  /** Of this instance's process; a command's only while it leads. */
  async pid(instance: Instance, role: Role): Promise<number | undefined> {
    if (role !== 'command') return instance.pid(role);
    const latest = this.ledger.leading(now() - 500);
    return latest?.labels.has(instance.label) ? latest.pid : undefined;
  }

  freeze(pid: number): void {
    this.#frozen.add(pid);
    signal(pid, 'SIGSTOP');
  }

  thaw(pid: number): void {
    this.#frozen.delete(pid);
    signal(pid, 'SIGCONT');
  }

  /** Of this instance's sessions; the first is the one that has the seat or waits for it. */
  async backends(instance: Instance): Promise<number[]> {
    const rows = await this.servers.query(
      `select a.pid from pg_stat_activity a
       left join pg_locks l on l.pid = a.pid and l.locktype = 'advisory'
         and l.classid = 'lockd.lock'::regclass
       where a.application_name = $1 order by l.pid, a.backend_start`,
      [`lockd:${this.name}:${instance.label}`],
    );
    return rows.map(({ pid }) => Number(pid));
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

  async #heal(): Promise<void> {
    for (const pid of this.#frozen) this.thaw(pid);
    await this.servers.start();
    for (const { proxy } of this.instances) {
      proxy.heal();
      await proxy.accept();
      // Those that are closed would only be told of faults in vain.
      proxy.connections.splice(0, Infinity, ...proxy.connections.filter(({ isOpen }) => isOpen));
    }
  }

  /** Takes back every fault, and resolves when somebody leads, alone, and everybody is in place. */
  async settle(): Promise<void> {
    await this.#heal();
    for (const instance of this.instances) instance.start();
    const healedAt = now();
    await this.#reached('somebody leads', () => this.ledger.leading(healedAt) !== undefined);
    await this.#reached('everybody is in place', () => this.#everybodyIsThere());
    await this.#reached('whoever leads has beaten twice', this.#beatsTwice());
    await this.#reached('one leader stays for a while', () => this.#isCalm(healedAt));
  }

  #reached(what: string, condition: () => boolean | Promise<boolean>): Promise<boolean> {
    const describe = () =>
      `${what}.\n${this.instances.map((instance) => instance.tail()).join('\n\n')}`;
    return until(condition, { timeoutMs: patienceMs, describe });
  }

  /** Registered, with both sessions. */
  async #everybodyIsThere(): Promise<boolean> {
    for (const instance of this.instances) instance.start();
    const rows = await this.servers.query(
      `select i.label from lockd.instance i
       join pg_locks l on l.locktype = 'advisory' and l.classid = 'lockd.instance'::regclass
         and l.objid::int = i.id and l.granted
       join pg_stat_activity a on a.application_name = $1 || i.label and a.pid <> l.pid`,
      [`lockd:${this.name}:`],
    );
    const there = new Set(rows.map(({ label }) => label));
    return this.instances.every(({ label, isRunning }) => isRunning && there.has(label));
  }

  /** The second beat was sent after all was well: what a leader has not noticed yet costs it that one. */
  #beatsTwice(): () => Promise<boolean> {
    let first: { readonly token: string; readonly beat: number } | undefined;
    return async () => {
      const [lease] = (await this.servers.query(
        `select l.token, l.beat::integer from lockd.lease l
         join lockd.lock k on k.id = l.lock_id where k.name = $1`,
        [this.name],
      )) as [{ token: string; beat: number }];
      if (first?.token !== lease.token) first = lease;
      return lease.beat >= first.beat + 2;
    };
  }

  #isCalm(healedAt: number): boolean {
    const span = this.ledger.leading(now() - 50)?.spans.at(-1);
    return span !== undefined && span.to - Math.max(span.from, healedAt) > calmMs;
  }

  /** Everything ends in order; whoever does not is a finding. */
  async end(): Promise<void> {
    await this.#heal();
    for (const instance of this.instances) instance.ask();
    const isOver = async () => (await markedProcesses(this.#marker)).length === 0;
    await this.#reached('every process has ended', isOver);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { pid } of await markedProcesses(this.#marker)) signal(pid, 'SIGKILL');
    for (const instance of this.instances) {
      if (instance.starts > 0) await instance.process[Symbol.asyncDispose]();
      await instance.proxy[Symbol.asyncDispose]();
    }
    await this.servers[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
