import { join } from 'node:path';
import { LockManager } from '../../../src/index.ts';
import { startProxy } from '../../support/proxy.ts';
import { now } from '../../support/story.ts';
import { until } from '../../support/wait.ts';
import { Ground, type Site } from '../ground.ts';
import { Instance, type Role } from '../instance.ts';
import { Lines } from '../lines.ts';
import { HoldBook, type Line, type Tenure } from './book.ts';

export interface HoldStageSettings {
  readonly ttlMs: number;
  readonly kinds: readonly ('guarded-holder' | 'holder')[];
  /** A control: a hold is good until it is given back, and nothing is fenced. */
  readonly isTrusting: boolean;
  /** A control: the server forgets what was held, and does not know that it did. */
  readonly isForgetful: boolean;
}

/** What the workers use, and how; see test/chaos/processes/holder.js. */
const uses = [
  ['order:1', 'exclusive'],
  ['order:2', 'exclusive'],
  ['page', 'exclusive'],
  ['page', 'shared'],
  ['gpu', { permits: 2 }],
  ['forced', 'exclusive'],
] as const;

const nothingIsDoubted = `
  create function nothing_is_doubted() returns trigger language plpgsql as 'begin return null; end';
  create trigger nothing_is_doubted before insert on lockd.doubt
    for each row execute function nothing_is_doubted()`;

/** Where holds play: a server, the processes with holds, and a bad network for each. */
export class HoldStage extends Ground {
  readonly settings: HoldStageSettings;
  readonly #lines: Lines<Line>;
  readonly #book = new HoldBook();

  private constructor(settings: HoldStageSettings, site: Site) {
    super(site);
    this.settings = settings;
    this.#lines = new Lines(join(site.folder, 'claims'));
  }

  static async open(settings: HoldStageSettings): Promise<HoldStage> {
    const stage = new HoldStage(settings, await Ground.site());
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
    const { kinds, ttlMs, isTrusting, isForgetful } = this.settings;
    await this.servers.query(
      `create table chaos_entry (
         id bigint generated always as identity primary key,
         resource text not null, item bigint not null, token bigint not null);
       create index on chaos_entry (resource, item)`,
    );
    if (isForgetful) await this.servers.query(nothingIsDoubted);
    for (const [index, kind] of kinds.entries()) {
      const env = {
        CHAOS_CLAIMS: this.file,
        CHAOS_MARKER: this.marker,
        CHAOS_TRUSTING: isTrusting ? '1' : undefined,
        CHAOS_UNFENCED: isTrusting ? '1' : undefined,
      };
      // Short: the server cuts the names of sessions, and the label is at their end.
      const label = `${kind === 'holder' ? 'h' : 'g'}-${index + 1}`;
      const proxy = await startProxy(this.servers.url);
      const own = { name: '', takeover: 'safe', finishMs: 0 } as const;
      this.instances.push(new Instance({ ...own, ttlMs, label, kind, proxy, env }));
    }
    for (const instance of this.instances) instance.start();
  }

  get file(): string {
    return this.#lines.file;
  }

  /** All that is known by now. */
  read(): HoldBook {
    this.#lines.readOn((line) => this.#book.add(line));
    return this.#book;
  }

  async entries(): Promise<{ resource: string; item: number; token: bigint }[]> {
    const rows = await this.servers.query('select resource, item, token from chaos_entry');
    return rows.map(({ resource, item, token }) => ({
      resource: `${resource}`,
      item: Number(item),
      token: BigInt(`${token}`),
    }));
  }

  /** Whoever holds something alone, now or a moment ago. */
  get leader(): Instance | undefined {
    let latest: Tenure | undefined;
    for (const tenure of this.read().tenures) {
      if (tenure.mode !== 'exclusive' || tenure.to < now() - 500) continue;
      if (latest === undefined || tenure.to > latest.to) latest = tenure;
    }
    return this.instances.find(({ label }) => label === latest?.label);
  }

  pid(instance: Instance, role: Role): Promise<number | undefined> {
    return instance.pid(role);
  }

  async backends(instance: Instance): Promise<number[]> {
    const rows = await this.servers.query(
      `select a.pid from pg_stat_activity a
       left join pg_locks l on l.pid = a.pid and l.locktype = 'advisory'
         and l.classid = 'lockd.lock'::regclass
       where a.application_name like $1 order by l.pid, a.backend_start`,
      [`lockd:%:${instance.label}`],
    );
    return rows.map(({ pid }) => Number(pid));
  }

  /** Resolves when every process has got holds again, and every resource was had in every mode. */
  async settle(): Promise<void> {
    await this.heal();
    for (const instance of this.instances) instance.start();
    const healedAt = now();
    const since = () => this.read().tenures.filter(({ from }) => from > healedAt);
    await this.reached('every process has holds', () => {
      for (const instance of this.instances) instance.start();
      const labels = new Set(since().map(({ label }) => label));
      return this.instances.every(({ label }) => labels.has(label));
    });
    await this.reached('every resource was had in every mode', () => {
      const had = since();
      return uses.every(([resource, mode]) => had.some(isUse(resource, mode)));
    });
  }

  /** When, from then on, every resource was had again, in every mode. */
  recoveredAt(from: number): number {
    const { tenures } = this.read();
    const firsts = uses.map(([resource, mode]) => {
      const all = tenures.filter(isUse(resource, mode)).map((tenure) => tenure.from);
      return Math.min(...all.filter((at) => at > from));
    });
    return Math.max(...firsts);
  }

  /** What is left on the server when everybody is gone and somebody has had every resource once more. */
  async leftovers(): Promise<string[]> {
    // Of half a connection the server may know for ever: it is the network's, and nobody's any more.
    for (const { proxy } of this.instances) proxy.cut();
    const connectionString = this.servers.url;
    await using locks = new LockManager({ label: 'last', connectionString });
    for (const [resource, mode] of uses) {
      // Whoever died without a word holds on for its TTL, where somebody waits for its place.
      const places = typeof mode === 'object' ? mode.permits : 1;
      const options = { mode, waitMs: this.settings.ttlMs + 10_000 };
      const holds = await Promise.all(
        Array.from({ length: places }, () => locks.acquire(resource, options)),
      );
      for (const hold of holds) await hold.release();
    }
    await locks.stop();
    const left = async (): Promise<string[]> => {
      const [counts = {}] = await this.servers.query(
        `select (select count(*) from lockd.hold where is_held)::integer as holds,
              (select count(*) from lockd.waiter)::integer as waits,
              (select count(*) from lockd.doubt)::integer as doubts,
              (select count(*) from pg_locks where locktype = 'advisory')::integer as locks,
              (select count(*) from pg_stat_activity where application_name like 'lockd:%')::integer as sessions`,
      );
      return Object.entries(counts).flatMap(([what, count]) =>
        Number(count) > 0 ? [`${count} ${what} are left`] : [],
      );
    };
    // A backend may end a moment after its client has gone.
    await until(async () => (await left()).length === 0).catch(() => {});
    return left();
  }
}

const isUse =
  (resource: string, mode: Tenure['mode']) =>
  (tenure: Tenure): boolean =>
    tenure.resource === resource && (typeof mode === 'object' || tenure.mode === mode);
