import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { grantScript } from '../../../src/postgres/grants.ts';
import { readMissing } from '../../../src/postgres/migrate.ts';
import { shippedMigrations } from '../../../src/postgres/migrations.ts';
import type { Incidents } from '../incident.ts';

export const schema: Incidents = {
  'The schema is missing or older': {
    async play(stage, page) {
      await stage.sql('drop schema lockd cascade');
      const { script } = await readMissing({ connectionString: stage.url });
      const [begin = ''] = shippedMigrations.at(-1)?.sql.split('\n') ?? [];
      const latest = script.lastIndexOf(begin);
      await stage.sql(`${script.slice(0, latest)}; commit`);
      const run = stage.run('new');
      expect(await run.exit()).toBe(69);
      expect((await page.runs()).code).toBe(1);
      await page.runs();
      expect(await readFile(join(stage.folder, 'lockd.sql'), 'utf8')).toContain('0005_');
      expect((await page.runs()).code).toBe(0);
      expect((await page.runs()).code).toBe(0);
      stage.bot('new');
      await stage.led('new');
    },
  },

  'The schema is newer': {
    async play(stage, page) {
      const old = stage.bot('old');
      await stage.led('old');
      await stage.sql(
        `insert into lockd.migration (version, file, checksum) values (6, '0006_later.sql', '')`,
      );
      const next = stage.run('new');
      expect(await next.exit()).toBe(69);
      await page.runs();
      await stage.sql(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'lockd:bot:old'`,
      );
      await old.says('could not campaign');
    },
  },

  'The role may not': {
    async play(stage, page) {
      const role = await stage.role();
      const refused = stage.run('new', { url: role.url });
      expect(await refused.exit()).toBe(69);
      await page.runs({ ROLE: role.name });
      expect((await page.runs({ ROLE: role.name })).code).toBe(0);
      stage.run('new', { url: role.url });
      await stage.led('new');
      await page.runs({ URL: role.url });
    },
  },

  'What a role needs': {
    server: 'runbook',
    async play(stage, page) {
      await stage.sql('create role bot login');
      expect((await page.runs()).text).toBe(grantScript('bot'));
      await page.runs();
      await page.runs({ ROLE: 'bot' });
      const own = new URL(stage.url);
      own.username = 'bot';
      stage.bot('new', { connectionString: own.href });
      await stage.led('new');
    },
  },

  'Whom a database with lockd has to trust': {
    server: 'runbook',
    async play(stage, page) {
      const [trusted, stranger] = [await stage.role(), await stage.role()];
      await page.runs({ ROLE: trusted.name, DATABASE: stage.database });
      await (await stage.psql(trusted.url)).query('select');
      await expect(stage.psql(stranger.url)).rejects.toThrow(/permission denied for database/);
    },
  },
};
