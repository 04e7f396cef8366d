import { expect } from 'vitest';
import { descendants } from '../../../src/embedded/processes.ts';
import { signal } from '../../support/run.ts';
import { now } from '../../support/story.ts';
import { until } from '../../support/wait.ts';
import type { Incidents } from '../incident.ts';
import type { Instance } from '../instance.ts';
import type { BotOptions, Stage } from '../stage.ts';

/** Of a leader that will be waited for. */
const ttlMs = 4_000;
/** Of one that is not: its successor has been told. */
const longTtlMs = 60_000;

export const leaders: Incidents = {
  'The old leader does not go': {
    async play(stage, page) {
      const old = await pair(stage, { workMs: 'never', drainTimeoutMs: 300 });
      old.process.signal('SIGTERM');
      await old.says('drain overruns: work does not heed its abort signal');
      expect((await page.runs()).code).toBe(2);
      await page.runs({ PID: old.pid });
      expect(await old.exit()).toBe('SIGKILL');
      await stage.led('new');
      await page.shows();
    },
  },

  'The command of lockd run does not go': {
    async play(stage, page) {
      const old = stage.run('old', { command: ['sh', '-c', 'trap "" TERM; sleep 600'] });
      await stage.led('old');
      await old.says('started the command');
      stage.bot('new');
      await stage.registered('new');
      old.process.signal('SIGTERM');
      await old.says('became passive');
      await page.runs({ PID: old.pid });
      await stage.led('new');
      expect(await old.exit()).toBe(137);
      await page.shows();
    },
  },

  'A leader is frozen': {
    async play(stage, page) {
      const old = await pair(stage, { ttlMs }, { guard: true });
      old.process.signal('SIGSTOP');
      await page.shows();
      await stage.led('new');
      await page.runs({ PID: old.pid });
      await old.says('observed a leader');

      const next = stage.instances[1] as Instance;
      next.process.signal('SIGSTOP');
      const frozenAt = now();
      await page.runs({ PID: next.pid });
      await stage.led('old');
      expect(now() - frozenAt).toBeLessThan(longTtlMs / 2);
      await page.shows();
    },
  },

  'A crash without a guard': {
    async play(stage, page) {
      const old = await pair(stage, { ttlMs }, { guard: true });
      old.process.signal('SIGKILL');
      await page.shows();
      await stage.led('new');
      const [witness] = await descendants(stage.instances[1]?.pid ?? 0);
      signal(witness ?? 0, 'SIGKILL');
      await page.shows();
    },
  },

  'One half of lockd run was killed': {
    async play(stage, page) {
      const old = stage.run('old');
      await stage.led('old');
      await old.says('started the command');
      const next = stage.run('new');
      await stage.registered('new');
      signal(await old.supervisor(), 'SIGKILL');
      expect(await old.exit()).toBe(75);
      await stage.led('new');
      stage.bot('old');
      await stage.registered('old');
      await page.shows();
      next.process.signal('SIGKILL');
      await stage.led('old');
    },
  },

  'The leader changes again and again': {
    async play(stage, page) {
      stage.bot('old');
      for (let time = 0; time < 2; time += 1) {
        const token = await stage.led('old');
        await stage.registered('old');
        await stage.sql(
          'select pg_terminate_backend(l.pid) from lockd.advisory_locks(lockd.seat_class()) l',
        );
        await until(async () => (await stage.status()).leader?.token !== token);
      }
      await stage.led('old');
      await page.runs();
      const idle = await stage.psql();
      await idle.query(`set application_name = 'app'`);
      const before = (await stage.status()).leader?.token;
      await page.runs({ '10 minutes': '0 seconds' });
      await expect(idle.query('select')).rejects.toThrow();
      await page.shows();
      expect((await stage.status()).leader?.token).toBe(before);
    },
  },
};

/** Hosts of the library: `old` leads, `new` waits. */
async function pair(stage: Stage, options: BotOptions, ofNext: BotOptions = {}): Promise<Instance> {
  const old = stage.bot('old', options);
  await stage.led('old');
  await until(async () => (await stage.status()).leader?.pid === old.pid); // it is registered
  stage.bot('new', { ttlMs: longTtlMs, heartbeatMs: 500, ...ofNext });
  await stage.registered('new');
  return old;
}
