import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import pg from 'pg';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

const onServer = `
  select (select count(*) from pg_stat_activity where application_name like 'lockd:%')::int as sessions,
         (select count(*) from pg_locks where locktype = 'advisory')::int as locks,
         (select count(*) from lockd.lock)::int as names,
         (select count(*) from lockd.instance)::int as instances,
         (select count(*) from lockd.term)::int as history,
         pg_relation_size('lockd.lease')::int / 8192 as "lease pages",
         pg_relation_size('lockd.term')::int / 8192 as "history pages"`;

/** Looks at what this process and the server hold. */
export class Sampler {
  #cluster;
  #client;
  #begunAt = performance.now();

  constructor(cluster, client) {
    this.#cluster = cluster;
    this.#client = client;
  }

  static async open(cluster) {
    const client = new pg.Client({ connectionString: cluster.url(), application_name: 'sampler' });
    await client.connect();
    return new Sampler(cluster, client);
  }

  async sample(facts) {
    const { rows } = await this.#client.query(onServer);
    collectGarbage();
    const { heapUsed, rss } = process.memoryUsage();
    const held = process.getActiveResourcesInfo();
    const count = (kind) => held.filter((name) => name.includes(kind)).length;
    return {
      ms: performance.now() - this.#begunAt,
      ...facts,
      'heap, MB': megabytes(heapUsed),
      'resident, MB': megabytes(rss),
      timers: count('Timeout'),
      sockets: count('TCP') + count('Pipe'),
      ...rows[0],
      'errors in the log': this.#cluster.log().match(/(ERROR|PANIC):/g)?.length ?? 0,
      'lines in the log': this.#cluster.log().split('\n').length,
    };
  }

  close() {
    return this.#client.end();
  }
}

const megabytes = (bytes) => Math.round(bytes / 1e4) / 100;
