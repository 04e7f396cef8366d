import { join } from 'node:path';
import { startProxy } from '../support/proxy.ts';
import { now } from '../support/story.ts';
import { Ground, type Site } from './ground.ts';
import { Instance, type Kind, type Role } from './instance.ts';
import { Ledger } from './ledger.ts';

export interface StageSettings {
  readonly ttlMs: number;
  readonly kinds: readonly Kind[];
  readonly takeover: 'safe' | 'fast';
  /** Whether the work asks the fence. */
  readonly isFenced: boolean;
}

/** How long one leader is looked at before the next fault. */
const calmMs = 250;

/** Where leaders play: a server, the instances that want to lead, and a bad network for each. */
export class Stage extends Ground {
  readonly settings: StageSettings;
  override readonly name = 'led';
  readonly ledger: Ledger;

  private constructor(settings: StageSettings, site: Site) {
    super(site);
    this.settings = settings;
    this.ledger = new Ledger(join(site.folder, 'claims'));
  }

  static async open(settings: StageSettings): Promise<Stage> {
    const stage = new Stage(settings, await Ground.site());
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
        CHAOS_MARKER: this.marker,
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

  /** A command's only while it leads. */
  async pid(instance: Instance, role: Role): Promise<number | undefined> {
    if (role !== 'command') return instance.pid(role);
    const latest = this.ledger.leading(now() - 500);
    return latest?.labels.has(instance.label) ? latest.pid : undefined;
  }

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

  /** Takes back every fault, and resolves when somebody leads, alone, and everybody is in place. */
  async settle(): Promise<void> {
    await this.heal();
    for (const instance of this.instances) instance.start();
    const healedAt = now();
    await this.reached('somebody leads', () => this.ledger.leading(healedAt) !== undefined);
    await this.reached('everybody is in place', () => this.#everybodyIsThere());
    await this.reached('whoever leads has beaten twice', this.#beatsTwice());
    await this.reached('one leader stays for a while', () => this.#isCalm(healedAt));
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
}
