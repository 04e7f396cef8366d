import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Luck } from '../simulation/luck.ts';
import { type Run, signal } from '../support/run.ts';
import { now } from '../support/story.ts';
import { openWorkshop, type Workshop } from '../support/workshop.ts';

// LOCKD_TEST_TERMS=100 for more of them.
const rounds = Number(process.env['LOCKD_TEST_TERMS'] ?? 8);
const graceMs = 500;
/** Beyond the grace: ending, releasing and leaving, on a noisy machine. */
const slackMs = 4_000;

/** Where Node has not set its handlers up, in lockd or in the command, the system's own way is the end. */
const inOrder = [0, 'SIGTERM', 128 + 15];

for (const [who, worker] of [
  ['heeds it', {}],
  ['ignores it', { finishMs: 'never' }],
] as const) {
  test.concurrent(
    `a TERM at any moment of the way up, to a command that ${who}: all is gone soon, and the seat is free`,
    async () => {
      await using shop = await openWorkshop(60_000);
      const luck = new Luck(rounds, who);
      for (let round = 0; round < rounds; round += 1) {
        const run = shop.run(`round ${round}`, worker, { flags: ['--grace', `${graceMs}ms`] });
        await pause(luck.between(0, 1_500)); // the moment is what this is about
        const code = await ended(run);
        expect([...inOrder, 128 + 9], `${code}, in round ${round}. ${run}`).toContain(code);
        expect(await shop.alive(), `after round ${round}`).toEqual([]);
        const open = (await shop.terms()).filter(({ ended_by: by }) => by === null);
        expect(open, `in round ${round}`).toEqual([]);
      }
    },
    20_000 + rounds * 8_000,
  );
}

test.concurrent(
  'a TERM at any moment of waiting for an old lease to run out: the wait is over at once, and nothing was begun',
  async () => {
    await using shop = await openWorkshop(60_000);
    await crashed(shop);
    const luck = new Luck(rounds, 'waiting');
    for (let round = 0; round < rounds / 2; round += 1) {
      const run = shop.run(`round ${round}`);
      await run.process.line(/waits for the old lease to run out/, 20_000);
      await pause(luck.between(0, 1_000));
      expect(await ended(run)).toBe(0);
    }
    expect(await shop.terms()).toHaveLength(1);
    expect(shop.claims().every(({ label }) => label === 'crashed')).toBe(true);
  },
  20_000 + rounds * 8_000,
);

/** The exit code after a TERM to the guard, within the bound. */
async function ended(run: Run): Promise<number | NodeJS.Signals | null> {
  const toldAt = now();
  signal(run.guard, 'SIGTERM');
  const code = await run.exit(20_000);
  expect(now() - toldAt).toBeLessThan(graceMs + slackMs);
  return code;
}

/** Everything of it dies in one moment, so that nobody testifies and its lease stands. */
async function crashed(shop: Workshop): Promise<void> {
  const run = shop.run('crashed');
  const { pid } = await run.leads();
  const supervisor = await run.supervisor;
  for (const each of [run.guard, supervisor]) signal(each, 'SIGSTOP');
  for (const each of [run.guard, supervisor, pid]) signal(each, 'SIGKILL');
  await run.exit();
}
