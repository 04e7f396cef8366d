import type { Cluster } from '../../src/embedded/cluster.ts';
import { descendants } from '../../src/embedded/processes.ts';
import type { StopMode } from '../../src/embedded/server.ts';
import { migrate } from '../../src/index.ts';
import { startTestCluster } from '../support/cluster.ts';
import { query } from '../support/database.ts';
import { type FaultProxy, startProxy } from '../support/proxy.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';
import type { Marked } from './checker.ts';

/** Few enough that a fault can use them up. */
export const maxConnections = 60;
const settings = { max_connections: `${maxConnections}` };

/** The primary of the moment, and now and then a replica of it. */
export class Servers implements AsyncDisposable {
  #primary: Cluster;
  #replica: { readonly cluster: Cluster; readonly link: FaultProxy } | undefined;

  private constructor(primary: Cluster) {
    this.#primary = primary;
  }

  static async start(): Promise<Servers> {
    const servers = new Servers(await startTestCluster({ settings }));
    try {
      await migrate({ connectionString: servers.url });
      await servers.query(
        `create table chaos_item (
           id bigint generated always as identity primary key,
           item bigint not null, token bigint not null, label text not null);
         create index on chaos_item (item)`,
      );
    } catch (error) {
      await servers[Symbol.asyncDispose]();
      throw error;
    }
    return servers;
  }

  get url(): string {
    return this.#primary.url();
  }

  query(sql: string, params: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
    return query(this.url, sql, params);
  }

  async marked(): Promise<Marked[]> {
    const rows = await this.query('select item, token from chaos_item');
    return rows.map(({ item, token }) => ({ item: Number(item), token: BigInt(`${token}`) }));
  }

  /** Of all processes of the primary. */
  async pids(): Promise<number[]> {
    const { pid } = this.#primary;
    return [pid, ...(await descendants(pid))];
  }

  stop(mode: StopMode | 'crash'): Promise<void> {
    return mode === 'crash' ? this.#primary.crash() : this.#primary.stop(mode);
  }

  async start(): Promise<void> {
    if (!this.#primary.isRunning) await this.#primary.start();
  }

  /** Resolves when it takes statements, as after the end of one of its backends. */
  async answers(): Promise<void> {
    await until(() => this.query('select').then(() => true), { timeoutMs: 30_000 });
  }

  /** Restarts the primary: a replica begins as a copy of it. */
  async makeReplica(isSynchronous: boolean): Promise<void> {
    const link = await startProxy(this.url);
    try {
      const cluster = await this.#primary.startStandby({
        settings: {
          ...settings,
          primary_conninfo: `host=127.0.0.1 port=${link.port} user=postgres application_name=standby`,
          wal_retrieve_retry_interval: '100ms',
        },
      });
      this.#replica = { cluster, link };
    } catch (error) {
      await link[Symbol.asyncDispose]();
      throw error;
    }
    if (!isSynchronous) return;
    await this.query("alter system set synchronous_standby_names = 'standby'");
    await this.query('select pg_reload_conf()');
    const isSync = "select from pg_stat_replication where sync_state = 'sync'";
    await until(async () => (await this.query(isSync)).length === 1);
  }

  /** From now on the replica learns of nothing more. */
  async leaveReplicaBehind(): Promise<void> {
    await this.#replica?.link.refuse();
    this.#replica?.link.cut();
  }

  /** The old primary is stopped for good, before the new one takes its first write. */
  async promote(): Promise<{ readonly stoppedAt: number }> {
    if (this.#replica === undefined) throw new Error('There is no replica to promote.');
    const { cluster, link } = this.#replica;
    const old = this.#primary;
    await old.stop('immediate');
    const stoppedAt = now();
    await cluster.promote();
    this.#primary = cluster;
    this.#replica = undefined;
    await link[Symbol.asyncDispose]();
    await old[Symbol.asyncDispose]();
    return { stoppedAt };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { cluster, link } = this.#replica ?? {};
    await cluster?.[Symbol.asyncDispose]();
    await link?.[Symbol.asyncDispose]();
    await this.#primary[Symbol.asyncDispose]();
  }
}
