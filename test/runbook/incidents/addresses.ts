import { expect } from 'vitest';
import type { Cluster } from '../../../src/embedded/cluster.ts';
import { migrate } from '../../../src/index.ts';
import { grantScript } from '../../../src/postgres/grants.ts';
import { startTestCluster } from '../../support/cluster.ts';
import { createDatabase, query } from '../../support/database.ts';
import { pgbouncerMissing, startPgBouncer } from '../../support/pgbouncer.ts';
import { until } from '../../support/wait.ts';
import type { Incidents } from '../incident.ts';
import { openStage } from '../stage.ts';

export const addresses: Incidents = {
  'The address leads through a transaction pooler': {
    missing: await pgbouncerMissing(),
    async play(stage, page) {
      await using pool = await startPgBouncer(stage.url, 'transaction');
      const next = stage.run('new', { url: pool.url });
      expect(await next.exit()).toBe(69);
      expect((await page.runs({ URL: pool.url })).code).toBe(2);
      expect((await page.runs({ URL: stage.url })).code).toBe(1);
    },
  },

  'No connection is left': {
    async play(stage, page) {
      const role = await stage.role();
      await stage.sql(grantScript(role.name));
      for (let idle = 0; idle < 4; idle += 1) {
        await (await stage.psql()).query(`set application_name = 'app'`);
      }
      stage.bot('old', { connectionString: role.url });
      await stage.led('old');
      await stage.sql(`alter database ${stage.database} connection limit 6`);
      const next = stage.bot('new', { connectionString: role.url });
      await next.says('could not campaign');
      await page.runs();
      await page.runs();
      await page.runs({ '10 minutes': '0 seconds' });
      await stage.registered('new');
      await page.shows();
    },
  },

  'Two leaders in two schemas': {
    async play(stage, page) {
      await migrate({ connectionString: stage.url, schema: 'other' });
      stage.bot('old');
      await stage.led('old');
      const stray = stage.bot('new', { schema: 'other' });
      await until(async () => (await stage.status('other')).isLed);
      await page.shows();
      await page.shows({ SCHEMA: 'other' });
      await page.runs({ PID: stray.pid });
      expect(await stray.exit()).toBe(0);
      stage.bot('new');
      await stage.registered('new');
      await page.shows();
    },
  },

  'Two leaders in two databases': {
    async play(stage, page) {
      await using other = await createDatabase(stage.url);
      await migrate({ connectionString: other.url });
      stage.bot('old');
      await stage.led('old');
      const stray = stage.bot('new', { connectionString: other.url });
      await until(async () => {
        const led = await query(other.url, 'select from lockd.lease where token > 0');
        return led.length > 0;
      });
      await page.shows({ URL: other.url });
      await page.runs();
      await page.runs({ PID: stray.pid });
      expect(await stray.exit()).toBe(0);
      stage.bot('new');
      await stage.registered('new');
      await page.shows();
    },
  },

  'The address leads to a replica': {
    async playAlone(open) {
      await using primary = await startTestCluster();
      await using replica = await primary.startStandby();
      await using stage = await openStage(primary.url());
      stage.bot('old');
      await stage.led('old');
      const far = replica.url(stage.database);
      const page = open(stage, far);
      const next = stage.run('new', { url: far });
      expect(await next.exit()).toBe(69);
      await caughtUp(far);
      expect((await page.runs()).code).toBe(2);
      await page.runs();
      const address = several(stage.url, replica, primary);
      stage.run('new', { url: address });
      await stage.registered('new');
      await page.runs({ URL: address });
    },
  },

  'The database was promoted or restored': {
    async playAlone(open) {
      await using primary = await startTestCluster();
      await using replica = await primary.startStandby();
      await using stage = await openStage(primary.url());
      const promoted = replica.url(stage.database);
      const page = open(stage, promoted);
      const options = { ttlMs: 6_000 };
      stage.bot('old', options);
      await stage.led('old');
      stage.bot('new', { ...options, connectionString: several(stage.url, replica, primary) });
      await stage.registered('new');
      await caughtUp(promoted);
      await primary.crash();
      await replica.promote();
      stage.url = promoted;
      await page.shows();
      await page.runs();
      await stage.led('new');
      await page.shows();
    },
  },
};

/** One address of several hosts. */
function several(url: string, ...clusters: readonly Cluster[]): string {
  const { host } = new URL(url);
  return url.replace(host, clusters.map((cluster) => new URL(cluster.url()).host).join());
}

/** The replica has what was written when somebody took the lead. */
async function caughtUp(url: string): Promise<void> {
  await until(async () => {
    const led = await query(url, 'select from lockd.lease where token > 0');
    return led.length > 0;
  });
}
