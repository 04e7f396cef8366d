/** The embedded PostgreSQL as a production server would run: fsync on, defaults, schema migrated. */
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { startCluster } from '../dist/embedded/cluster.js';
import { migrate } from '../dist/index.js';
import { now } from './clock.js';
import { median } from './figures.js';

export async function openDatabase(settings = {}) {
  const cluster = await startCluster({ settings: { fsync: 'on', ...settings } });
  const client = new pg.Client({ connectionString: cluster.url(), application_name: 'bench' });
  await client.connect();
  await migrate({ connectionString: cluster.url() });
  await client.query('create table bench_floor (turns integer not null)');
  await client.query('insert into bench_floor values (0)');
  return new BenchDatabase(cluster, client);
}

class BenchDatabase {
  #cluster;
  #client;

  constructor(cluster, client) {
    this.#cluster = cluster;
    this.#client = client;
  }

  get url() {
    return this.#cluster.url();
  }

  log() {
    return this.#cluster.log();
  }

  async rows(text, values) {
    return (await this.#client.query(text, values)).rows;
  }

  /** Until so many sessions of this name are connected and have nothing more to set up. */
  async sessions(name, count) {
    await this.#until(
      `select count(*) = ${count} as is_so from pg_stat_activity
       where application_name like 'lockd:${name}:%' and query ~* '^(select status|listen|select .*(testify|enroll|beat))'`,
    );
  }

  /** Until somebody stands in the floor's queue. */
  async floorWaiter() {
    await this.#until(
      `select count(*) = 1 as is_so from pg_locks
       where locktype = 'advisory' and objid = 7 and objsubid = 1 and not granted`,
    );
  }

  /** What one durable write of one row costs here: the unit of everything else. */
  async durableWriteMs(rounds = 30) {
    const taken = [];
    for (let round = 0; round < rounds; round += 1) {
      const begunAt = now();
      await this.rows('update bench_floor set turns = turns + 1');
      taken.push(now() - begunAt);
    }
    return median(taken);
  }

  async close() {
    await this.#client.end();
    await this.#cluster[Symbol.asyncDispose]();
  }

  async #until(question) {
    for (let tries = 0; ; tries += 1) {
      const [row] = await this.rows(question);
      if (row.is_so) return;
      if (tries === 500) throw new Error(`Waited in vain: ${question}`);
      await pause(20);
    }
  }
}
