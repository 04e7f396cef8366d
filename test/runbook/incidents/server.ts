import { expect } from 'vitest';
import { grantScript } from '../../../src/postgres/grants.ts';
import { startTestCluster } from '../../support/cluster.ts';
import { reload, writeServerFile } from '../../support/reload.ts';
import type { Incidents } from '../incident.ts';
import { openStage } from '../stage.ts';

export const server: Incidents = {
  'The database is down or restarts': {
    async playAlone(open) {
      await using cluster = await startTestCluster();
      await using stage = await openStage(cluster.url());
      const page = open(stage);
      const old = stage.bot('old');
      await stage.led('old');
      await cluster.stop('immediate');
      await old.says('could not campaign');
      await page.runs();
      await cluster.start();
      await stage.led('old');
      await page.shows();
    },
  },

  'The login or the certificate is refused': {
    async playAlone(open) {
      await using cluster = await startTestCluster();
      await using stage = await openStage(cluster.url());
      const page = open(stage);
      const role = await stage.role();
      await stage.sql(grantScript(role.name));
      const rules = [`host all ${role.name} all scram-sha-256`, 'host all all all trust'];
      await writeServerFile(cluster, 'pg_hba.conf', `${rules.join('\n')}\n`);
      await reload(cluster);
      const old = stage.bot('old', { connectionString: role.url });
      await stage.led('old');
      await stage.sql(`alter role ${role.name} password 'rotated'`);
      await stage.sql(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lockd:bot:old'`,
      );
      await old.says('could not campaign');
      expect(await stage.run('new', { url: role.url }).exit()).toBe(69);
      await page.runs({ URL: role.url });
      await page.runs({ ROLE: role.name, PASSWORD: 'secret' });
      await stage.led('old');
      await page.shows({ URL: role.url });
    },
  },

  'Rows were changed by hand': {
    async play(stage, page) {
      const old = stage.bot('old', { heartbeatMs: 200, workMs: 2_000 });
      await stage.led('old');
      await stage.sql('delete from lockd.lease');
      await old.says('could not campaign');
      await expect(stage.sql('delete from lockd.lock')).rejects.toThrow(/never deleted/);
      await page.runs();
      await page.runs();
      await stage.led('old');
      await page.shows();

      // What the table says of a mark that is set by hand.
      await stage.registered('old');
      const next = stage.bot('new');
      await next.says('observed a leader');
      await stage.sql('update lockd.lease set ended_at = clock_timestamp()');
      await next.says('became active');
      expect(old.log.filter(({ msg }) => msg === 'drained')).toHaveLength(1);
    },
  },

  'A clock is wrong': {
    async play(stage, page) {
      const old = stage.bot('old');
      const token = await stage.led('old');
      await old.stop();
      await stage.sql('update lockd.fence set token = token + 3600000');
      stage.bot('new');
      expect(await stage.led('new')).toBe(token + 3_600_001n);
      await page.runs();
    },
  },
};
