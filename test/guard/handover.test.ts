import { expect, test } from 'vitest';
import { now } from '../support/story.ts';
import { openWorkshop } from '../support/workshop.ts';

test.concurrent('the seat is let go only when the command has finished, and the next term has a higher token', async () => {
  await using shop = await openWorkshop(10_000);
  const first = shop.run('first', { finishMs: 500 });
  const old = await first.leads();
  const second = shop.run('second');
  await second.standsBy();
  first.process.signal('SIGTERM');
  const next = await second.leads();
  expect(await first.exit()).toBe(0);
  const told = await shop.claimed({ kind: 'SIGTERM', label: 'first' });
  const finished = shop.lastClaim({ label: 'first' });
  expect(finished - told.at).toBeGreaterThan(400);
  expect(next.at).toBeGreaterThan(finished);
  expect(next.at - finished).toBeLessThan(5_000);
  expect(BigInt(next.token)).toBeGreaterThan(BigInt(old.token));
  expect(await shop.terms()).toMatchObject([
    { label: 'first', ended_by: 'release', reason: 'stopped' },
    { label: 'second', ended_by: null },
  ]);
});

test.concurrent('the command is told its name, its token and its instance', async () => {
  await using shop = await openWorkshop(10_000);
  const run = shop.run('only');
  const { token } = await run.leads();
  const begin = await shop.claimed({ kind: 'begin' });
  expect(begin).toMatchObject({ name: 'led', args: [shop.marker] });
  expect(begin.instance).toMatch(/^[0-9a-f]{8}-/);
  expect(await shop.terms()).toMatchObject([{ token, label: 'only' }]);
});

test.concurrent('a standby starts no command, and stops at once with 0', async () => {
  await using shop = await openWorkshop(10_000);
  await shop.run('leader').leads();
  const standby = shop.run('standby');
  await standby.standsBy();
  const { token } = await shop.claimed({ label: 'leader' });
  expect(await shop.commands()).toHaveLength(1);
  const before = now();
  standby.process.signal('SIGTERM');
  expect(await standby.exit()).toBe(0);
  expect(now() - before).toBeLessThan(3_000);
  expect(shop.claims({ label: 'standby' })).toEqual([]);
  expect(await shop.terms()).toMatchObject([{ token, ended_by: null }]);
});
