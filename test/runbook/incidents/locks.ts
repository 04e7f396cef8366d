import { expect } from 'vitest';
import { until } from '../../support/wait.ts';
import type { Incidents } from '../incident.ts';
import type { Stage } from '../stage.ts';

export const locks: Incidents = {
  'A session nobody knows holds the seat': {
    async play(stage, page) {
      const old = stage.bot('old');
      await stage.led('old');
      await old.stop();
      const stranger = await stage.psql();
      await stranger.query(
        `select pg_advisory_lock('lockd.lock'::regclass::oid::int, id) from lockd.lock`,
      );
      stage.bot('new');
      await stage.registered('new');
      await page.shows();
      await page.runs();
      const { seat } = await stage.status();
      await page.runs({ SESSION: seat?.backend ?? 0 });
      await stage.led('new');
      await page.shows();
    },
  },

  'A takeover is held up by fenced transactions': {
    async play(stage, page) {
      const writer = await stage.psql();
      await writer.query(`set application_name = 'app'`);
      await fencedAndLeft(stage, (fence) => writer.query(`begin; ${fence}`));
      await page.runs();
      const { rows } = await writer.query('select pg_backend_pid() as session');
      await page.runs({ SESSION: rows[0].session });
      await stage.led('new');
      await expect(writer.query('commit')).rejects.toThrow();
      await page.shows();
    },
  },

  'A prepared transaction holds a takeover up': {
    server: 'runbook',
    async play(stage, page) {
      const writer = await stage.psql();
      const gid = 'order';
      await fencedAndLeft(stage, (fence) =>
        writer.query(`begin; ${fence}; prepare transaction '${gid}'`),
      );
      await page.runs();
      await page.runs({ GID: gid });
      await stage.led('new');
      await page.shows();
    },
  },

  'A stranger locks the tables of lockd': {
    async play(stage, page) {
      const old = stage.bot('old', { ttlMs: 2_000 });
      await stage.led('old');
      const next = stage.bot('new', { ttlMs: 2_000 });
      await stage.registered('new');
      await next.says('observed a leader');
      const stranger = await stage.psql();
      const { rows } = await stranger.query('select pg_backend_pid() as session');
      await stranger.query('begin; lock table lockd.lease in share mode');
      old.process.signal('SIGKILL');
      await next.says('takeover is held up by fenced transactions');
      await stage.bot('late', { ttlMs: 2_000 }).says('could not campaign');
      await page.runs();
      await page.runs({ SESSION: rows[0].session });
      await stage.led('new');
      await page.shows();
    },
  },

  'Waits for the seat in the server log': {
    server: 'runbook',
    async play(stage, page) {
      await page.runs();
      const role = await stage.role();
      await page.runs({ ROLE: role.name });
      const session = await stage.psql(role.url);
      const { rows } = await session.query('show log_lock_waits');
      expect(rows).toEqual([{ log_lock_waits: 'off' }]);
    },
  },
};

/** The old leader has left, a transaction under its token has not ended, the new one knows. */
async function fencedAndLeft(
  stage: Stage,
  open: (fence: string) => Promise<unknown>,
): Promise<void> {
  const old = stage.bot('old');
  const token = await stage.led('old');
  await open(`select lockd.fence('${stage.name}', ${token})`);
  const next = stage.bot('new', { ttlMs: 2_000 });
  await stage.registered('new');
  await old.stop();
  await until(() => next.log.some(({ msg }) => msg.startsWith('takeover is held up')));
}
