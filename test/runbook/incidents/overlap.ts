import { expect } from 'vitest';
import { until } from '../../support/wait.ts';
import type { Incidents } from '../incident.ts';
import type { Stage } from '../stage.ts';

/** Ends in order, after a moment of work: what a drain waits for. */
const tidy = ['sh', '-c', 'trap "sleep 0.3; exit 0" TERM; while :; do sleep 0.05; done'];

export const overlap: Incidents = {
  'Before the first deploy': {
    async play(_stage, page) {
      // A server for tests is not durable, and is told so.
      expect((await page.runs()).code).toBeLessThan(2);
    },
  },

  'A deploy overlap, when all is well': {
    async play(stage, page) {
      const old = stage.run('old', { command: tidy });
      await stage.led('old');
      await old.says('started the command');
      await page.runs();
      const next = stage.run('new', { command: tidy });
      await next.says('observed a leader');
      await stage.registered('new');
      await page.runs();
      old.process.signal('SIGTERM');
      await stage.led('new');
      expect(await old.exit()).toBe(0);
      await page.shows();
      const { text } = await page.runs();
      const [gapMs] = text.match(/\d+$/m) ?? [];
      expect(Number(gapMs)).toBeLessThan(5_000);
    },
  },

  'To hand over without a deploy': {
    async play(stage, page) {
      await pair(stage);
      expect((await page.runs()).code).toBe(0);
      await stage.led('new');
    },
  },

  'To hand over to one instance in particular': {
    async play(stage, page) {
      await pair(stage, 'next');
      expect((await page.runs()).code).toBe(0);
      await stage.led('new');
    },
  },

  'To watch a deploy, and to see afterwards what happened': {
    async play(stage, page) {
      await pair(stage);
      await page.runs();
      await page.runs();
    },
  },

  'To look from outside': {
    async play(stage, page) {
      await pair(stage);
      await page.runs();
      await page.shows(); // between two attempts a standby stands in no line
      await page.runs();
    },
  },

  'Two deploys fight': {
    async play(stage, page) {
      const leader = stage.bot('wrong-a');
      await stage.led('wrong-a');
      const waiting = stage.bot('wrong-b');
      await stage.registered('wrong-b');
      stage.bot('right');
      await stage.registered('right');
      await page.runs();
      await page.runs({ PID: waiting.pid });
      await waiting.exit();
      await page.runs();
      await stage.led('right');
      await page.runs({ PID: leader.pid });
      expect(await leader.exit()).toBe(0);
      await page.shows();
    },
  },

  'A deploy': {
    async play(stage, page) {
      const next = stage.bot('new');
      await stage.led('new');
      stage.bot('old');
      await stage.registered('old');
      await page.runs();
      await page.runs({ PID: next.pid });
      await stage.led('old');
      expect(await next.exit()).toBe(0);
      await page.shows();
    },
  },

  'The migrations of lockd': {
    async play(stage, page) {
      const old = stage.bot('old');
      const token = await stage.led('old');
      await old.stop();
      await page.shows();
      await page.runs();
      await page.runs();
      stage.bot('old');
      expect(await stage.led('old')).toBeGreaterThan(token);
      await page.shows();
    },
  },

  'Nobody leads': {
    async play(stage, page) {
      const old = stage.bot('old');
      await stage.led('old');
      await old.stop();
      expect((await page.runs()).code).toBe(1);
      stage.bot('new');
      await stage.led('new');
      expect((await page.runs()).code).toBe(0);
    },
  },
};

/** One that leads and one that stands by, both registered. */
async function pair(stage: Stage, ...others: string[]): Promise<void> {
  const old = stage.bot('old');
  await stage.led('old');
  for (const label of [...others, 'new']) {
    stage.bot(label);
    await stage.registered(label);
  }
  await until(async () => (await stage.status()).leader?.pid === old.pid); // it hears requests
}
