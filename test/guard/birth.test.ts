import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Run, signal } from '../support/run.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';
import { openWorkshop, type RunSettings, type Workshop } from '../support/workshop.ts';

const became = /"token":"(\d+)".*became active/;

test.concurrent('the command starts only after the guard has said that it would end it', async () => {
  await using shop = await openWorkshop(6_000);
  const [first, second] = await pair(shop);
  signal(second.guard, 'SIGSTOP');
  first.process.signal('SIGTERM');
  await tokenOf(second);
  // It gives up when the guard has been silent for a quarter of the lease, and lets the seat go.
  await until(async () => (await shop.terms())[1]?.ended_by === 'release', {
    describe: 'the supervisor has given up',
  });
  signal(second.guard, 'SIGCONT');
  expect(await second.exit()).toBe(75);
  expect(shop.claims({ label: 'second' })).toEqual([]);
  expect(second.logged('started the command')).toBe(false);
});

test.concurrent('a supervisor that dies before it has said the word leaves no command', async () => {
  await using shop = await openWorkshop(6_000);
  const { run, token } = await unborn(shop);
  signal(await run.supervisor, 'SIGKILL');
  signal(run.guard, 'SIGCONT');
  expect(await run.exit()).toBe(75);
  await until(async () => (await shop.stubs(token)).length === 0, { describe: 'no stub is left' });
  expect(shop.claims({ token })).toEqual([]);
  expect((await shop.terms())[1]).toMatchObject({ ended_by: 'testimony' });
});

test.concurrent('so does one whose death the kernel does not tell: the stub sees the end of its file', async () => {
  await using shop = await openWorkshop(6_000);
  const { run, token } = await unborn(shop, { env: await shop.withoutSetpriv() });
  signal(await run.supervisor, 'SIGKILL');
  await until(async () => (await shop.stubs(token)).length === 0, { describe: 'no stub is left' });
  expect(await shop.commands(token)).toEqual([]);
  signal(run.guard, 'SIGCONT');
  expect(await run.exit()).toBe(75);
  expect(shop.claims({ token })).toEqual([]);
});

test.concurrent('a guard that dies before the command has started leaves none, and the seat is let go', async () => {
  await using shop = await openWorkshop(6_000);
  const { run, token } = await unborn(shop);
  signal(run.guard, 'SIGKILL');
  await run.process.closed; // the supervisor has the same stderr
  expect(shop.claims({ token })).toEqual([]);
  expect((await shop.terms())[1]).toMatchObject({ ended_by: 'release' });
});

test.concurrent('one that is stopped before its command has started exits with 0', async () => {
  await using shop = await openWorkshop(6_000);
  const { run, token } = await unborn(shop);
  signal(await run.supervisor, 'SIGTERM');
  await until(async () => (await shop.stubs(token)).length === 0, { describe: 'no stub is left' });
  signal(run.guard, 'SIGCONT');
  expect(await run.exit()).toBe(0);
  expect(shop.claims({ token })).toEqual([]);
});

test.concurrent('a HUP that comes before the command has started does not end it', async () => {
  await using shop = await openWorkshop(6_000);
  const { run, token } = await unborn(shop);
  signal(await run.supervisor, 'SIGHUP');
  await pause(100); // it sends no word of what it passes over
  signal(run.guard, 'SIGCONT');
  expect(await run.leads()).toMatchObject({ token });
});

test.concurrent('whoever is killed while the command is being born, nothing of a dead term runs', async () => {
  await using shop = await openWorkshop(3_000);
  const rounds = 14;
  const longestMs = 120;
  const tokens: string[] = [];
  let [leader, standby] = await pair(shop);
  leader.process.signal('SIGTERM');
  for (let round = 1; round <= rounds; round += 1) {
    leader = standby;
    const token = await tokenOf(leader);
    const diesAt = now() + (longestMs * round) / rounds;
    standby = shop.run(`round ${round}`, {}, { flags: ['--grace', '500ms'] });
    const running = await Promise.all(tokens.map((dead) => shop.commands(dead)));
    expect(running.flat(), `of dead terms, in round ${round}`).toEqual([]);
    tokens.push(token);
    await pause(Math.max(0, diesAt - now())); // the moment is what this is about
    signal(round % 2 === 0 ? leader.guard : await leader.supervisor, 'SIGKILL');
  }
}, 60_000);

async function pair(shop: Workshop, settings?: RunSettings): Promise<[Run, Run]> {
  const first = shop.run('first');
  await first.leads();
  const second = shop.run('second', {}, settings);
  await second.standsBy();
  return [first, second];
}

/** One that leads, whose command waits for the word: its guard is frozen, and cannot say it. */
async function unborn(
  shop: Workshop,
  settings?: RunSettings,
): Promise<{ run: Run; token: string }> {
  const [first, run] = await pair(shop, settings);
  signal(run.guard, 'SIGSTOP');
  first.process.signal('SIGTERM');
  const token = await tokenOf(run);
  await until(async () => (await shop.stubs(token)).length > 0, { describe: 'the stub waits' });
  return { run, token };
}

async function tokenOf(run: Run): Promise<string> {
  return became.exec(await run.process.line(became))?.[1] as string;
}
