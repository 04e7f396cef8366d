import { expect, test } from 'vitest';
import { descendants } from '../../src/embedded/processes.ts';
import { signal } from '../support/run.ts';
import { until } from '../support/wait.ts';
import { openWorkshop } from '../support/workshop.ts';

test.concurrent('HUP, USR1 and USR2 are the business of the whole group of the command, and end nothing', async () => {
  await using shop = await openWorkshop(10_000);
  const run = shop.run('only', { below: {} });
  const { token } = await run.leads();
  await shop.claimed({ who: 'grandchild' });
  for (const kind of ['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) {
    run.process.signal(kind);
    await shop.claimed({ kind, who: 'command' });
    await shop.claimed({ kind, who: 'grandchild' });
  }
  expect(await shop.terms()).toMatchObject([{ token, ended_by: null }]);
});

test.concurrent.each(['SIGINT', 'SIGQUIT'] as const)(
  '%s stops in order, and the command sees the same one',
  async (kind) => {
    await using shop = await openWorkshop(10_000);
    const run = shop.run('only', { exitCode: 4 });
    await run.leads();
    run.process.signal(kind);
    expect(await run.exit()).toBe(4);
    expect(shop.claims({ kind })).toHaveLength(1);
    expect(shop.claims({ kind: 'SIGTERM' })).toEqual([]);
    expect(await shop.terms()).toMatchObject([{ ended_by: 'release', reason: 'stopped' }]);
  },
);

test.concurrent('a command that ignores TERM is killed after the grace, and exits with 137', async () => {
  await using shop = await openWorkshop(10_000);
  const run = shop.run('only', { finishMs: 'never' }, { flags: ['--grace', '600ms'] });
  await run.leads();
  run.process.signal('SIGTERM');
  const told = await shop.claimed({ kind: 'SIGTERM' });
  expect(await run.exit()).toBe(128 + 9);
  const worked = shop.lastClaim() - told.at;
  expect(worked).toBeGreaterThan(400);
  expect(worked).toBeLessThan(3_000);
});

test.concurrent('a drain that is longer than the lease is not cut: beats go on', async () => {
  await using shop = await openWorkshop(1_500);
  const run = shop.run('first', { finishMs: 3_500 }, { flags: ['--grace', '10s'] });
  await run.leads();
  const second = shop.run('second');
  await second.standsBy();
  run.process.signal('SIGTERM');
  const next = await second.leads();
  const finished = shop.lastClaim({ label: 'first' });
  expect(await run.exit()).toBe(0);
  const told = await shop.claimed({ kind: 'SIGTERM', label: 'first' });
  expect(finished - told.at).toBeGreaterThan(3_300);
  expect(next.at).toBeGreaterThan(finished);
});

test.concurrent('a second TERM hurries a command that takes its time', async () => {
  await using shop = await openWorkshop(10_000);
  const run = shop.run('only', { finishMs: 'never' }, { flags: ['--grace', '60s'] });
  await run.leads();
  run.process.signal('SIGTERM');
  await shop.claimed({ kind: 'SIGTERM' });
  run.process.signal('SIGTERM');
  expect(await run.exit(5_000)).toBe(128 + 9);
});

test.concurrent('a TERM to every process of the service at once is one TERM, and hurries nobody', async () => {
  await using shop = await openWorkshop(10_000);
  const run = shop.run('only', { finishMs: 600, exitCode: 3 });
  const { pid } = await run.leads();
  for (const each of [run.guard, await run.supervisor, pid]) signal(each, 'SIGTERM');
  expect(await run.exit()).toBe(3);
  const told = await shop.claimed({ kind: 'SIGTERM' });
  expect(shop.lastClaim() - told.at).toBeGreaterThan(500);
});

test.concurrent('a TERM to the supervisor alone stops in order', async () => {
  await using shop = await openWorkshop(10_000);
  const run = shop.run('only', { exitCode: 3 });
  await run.leads();
  signal(await run.supervisor, 'SIGTERM');
  expect(await run.exit()).toBe(3);
  expect(await shop.terms()).toMatchObject([{ ended_by: 'release', reason: 'stopped' }]);
});

test.concurrent('a grandchild that ignores TERM keeps the seat until it is gone', async () => {
  await using shop = await openWorkshop(10_000);
  const first = shop.run(
    'first',
    { below: { finishMs: 'never' } },
    { flags: ['--grace', '800ms'] },
  );
  await first.leads();
  await shop.claimed({ who: 'grandchild' });
  const second = shop.run('second');
  await second.standsBy();
  first.process.signal('SIGTERM');
  const next = await second.leads();
  const gone = shop.lastClaim({ label: 'first', who: 'grandchild' });
  expect(gone - shop.lastClaim({ label: 'first', who: 'command' })).toBeGreaterThan(400);
  expect(next.at).toBeGreaterThan(gone);
});

test.concurrent('a service manager may signal every process at once, even while they still load', async () => {
  await using shop = await openWorkshop(10_000);
  const run = shop.run('only');
  const [supervisor] = await until(
    async () => {
      const below = await descendants(run.process.pid);
      return below.length > 0 ? below : undefined;
    },
    { describe: 'there is a supervisor' },
  );
  signal(run.process.pid, 'SIGTERM');
  signal(supervisor as number, 'SIGTERM');
  expect(await run.exit()).toBe(0);
});
