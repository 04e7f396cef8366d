import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Run, signal } from '../support/run.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';
import { openWorkshop, type Workshop } from '../support/workshop.ts';

/** Long: whatever ends the command much sooner was not a timer. */
const ttlMs = 20_000;
/** Every 250 ms the clocks are looked at; the rest is for a busy machine. */
const soonMs = 2_000;

test.concurrent('a machine that slept past the lease has no command soon after it wakes, and campaigns again', async () => {
  await using shop = await openWorkshop(ttlMs);
  const { run, token, sleep } = await leading(shop);
  const wokeAt = sleep(ttlMs);
  await until(async () => (await shop.commands(token)).length === 0, {
    describe: 'the command of the old term was killed',
  });
  expect(shop.lastClaim({ token }) - wokeAt).toBeLessThan(soonMs);
  await run.leads();
  expect(run.logged('deadline-passed')).toBe(true);
});

test.concurrent('nor where the supervisor does not wake: the guard has the same two clocks', async () => {
  await using shop = await openWorkshop(ttlMs);
  const { run, sleep } = await leading(shop);
  signal(await run.supervisor, 'SIGSTOP');
  const wokeAt = sleep(ttlMs);
  expect(await run.exit()).toBe(75);
  expect(shop.lastClaim() - wokeAt).toBeLessThan(soonMs);
  expect(run.logged('killed the command')).toBe(true);
});

test.concurrent('a nap shorter than the lease ends nothing', async () => {
  await using shop = await openWorkshop(ttlMs);
  const { sleep } = await leading(shop);
  sleep(ttlMs / 4);
  await shop.beats(2);
  expect(shop.claims({ kind: 'SIGTERM' })).toEqual([]);
  expect(await shop.terms()).toMatchObject([{ ended_by: null }]);
});

interface Sleeper {
  readonly run: Run;
  readonly token: string;
  readonly sleep: (ms: number) => number;
}

/** One whose command never ends by itself, on a machine that can be put to sleep. */
async function leading(shop: Workshop): Promise<Sleeper> {
  const file = join(shop.folder, 'slept');
  writeFileSync(file, '0');
  const preload = new URL('../support/sleeper.js', import.meta.url);
  const env = { SLEEPER_FILE: file, NODE_OPTIONS: `--import ${preload}` };
  const run = shop.run('sleeper', { finishMs: 'never' }, { env, flags: ['--grace', '500ms'] });
  const { token } = await run.leads();
  const sleep = (ms: number): number => {
    writeFileSync(file, String(ms / 1000));
    return now();
  };
  return { run, token, sleep };
}
