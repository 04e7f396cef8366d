import { startTestCluster } from '../../support/cluster.ts';
import { until } from '../../support/wait.ts';
import type { Incidents } from '../incident.ts';
import { openStage, type Stage } from '../stage.ts';

const resource = 'order:42';

export const resources: Incidents = {
  'A resource is held and should not be': {
    async play(stage, page) {
      const old = stage.worker('old', {
        takes: [{ resource, owner: 'agent-7', reason: 'shipping' }],
        ignores: true,
      });
      await old.says('holds');
      stage.worker('new', { takes: [{ resource, owner: 'agent-8' }] });
      await waits(stage, 'agent-8');
      await page.runs();
      await page.runs();
      await page.runs({ RESOURCE: resource });
      await page.shows();
    },
  },

  'A wait does not end': {
    async play(stage, page) {
      const old = stage.worker('old', {
        takes: [
          { resource: 'order:1', owner: 'agent-7' },
          { resource, owner: 'agent-7' },
          { resource: 'order:2', owner: 'agent-7', onceHeld: 'order:2' },
        ],
      });
      await until(() => old.log.filter(({ msg }) => msg === 'holds').length === 2);
      const next = stage.worker('new', {
        reportAfterMs: 1_000,
        takes: [
          { resource: 'order:2', owner: 'agent-8' },
          { resource: 'order:1', owner: 'agent-8', onceAwaited: 'order:2' },
          { resource, owner: 'agent-8' },
        ],
      });
      await next.says('could not have');
      await next.says('waits for long');
      await next.stop();

      const writer = await stage.psql();
      await writer.query(`set application_name = 'app'`);
      const held = old.log.find((line) => line['resource'] === resource);
      await writer.query(`begin; select lockd.fence_hold('${resource}', ${held?.['token']})`);
      await old.stop();
      stage.worker('late', { takes: [{ resource, owner: 'agent-9' }] });
      await waits(stage, 'agent-9');
      await page.runs();
      await page.runs();
      const { rows } = await writer.query('select pg_backend_pid() as session');
      await page.runs({ SESSION: rows[0].session });
      await page.shows();
    },
  },

  'Nothing is granted after a crash of the database': {
    async playAlone(open) {
      await using cluster = await startTestCluster();
      await using stage = await openStage(cluster.url());
      const page = open(stage);
      const ttlMs = 3_000;
      const old = stage.worker('old', { ttlMs, takes: [{ resource, owner: 'agent-7' }] });
      await old.says('holds');
      old.process.signal('SIGSTOP');
      await cluster.stop('immediate');
      await cluster.start();
      stage.worker('new', {
        ttlMs,
        takes: [
          { resource, owner: 'agent-8', waitMs: 0 },
          { resource, owner: 'agent-8' },
        ],
      });
      await waits(stage, 'agent-8');
      await page.runs();
      await page.shows();
    },
  },
};

/** It stands in line. */
async function waits(stage: Stage, owner: string): Promise<void> {
  await until(
    async () => (await stage.sql('select from lockd.waiting where owner = $1', [owner])).length > 0,
    { describe: () => `${owner} waits.\n${stage.instances.join('\n')}`, timeoutMs: 30_000 },
  );
}
