import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { leakCheckOfFile } from '../support/leaks-of-file.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';
import { openWorkshop, type Run, signal, type Workshop } from '../support/workshop.ts';

leakCheckOfFile();

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
  const [first, second] = await pair(shop);
  signal(second.guard, 'SIGSTOP');
  first.process.signal('SIGTERM');
  const token = await tokenOf(second);
  await until(async () => (await shop.stubs(token)).length > 0, { describe: 'the stub waits' });
  signal(await second.supervisor, 'SIGKILL');
  signal(second.guard, 'SIGCONT');
  expect(await second.exit()).toBe(75);
  await until(async () => (await shop.stubs(token)).length === 0, { describe: 'the stub is gone' });
  expect(shop.claims({ label: 'second' })).toEqual([]);
  expect((await shop.terms())[1]).toMatchObject({ ended_by: 'testimony' });
});

test.concurrent('a guard that dies before the command has started leaves none, and the seat is let go', async () => {
  await using shop = await openWorkshop(6_000);
  const [first, second] = await pair(shop);
  signal(second.guard, 'SIGSTOP');
  first.process.signal('SIGTERM');
  const token = await tokenOf(second);
  await until(async () => (await shop.stubs(token)).length > 0, { describe: 'the stub waits' });
  signal(second.guard, 'SIGKILL');
  await second.process.closed; // the supervisor has the same stderr
  expect(shop.claims({ label: 'second' })).toEqual([]);
  expect((await shop.terms())[1]).toMatchObject({ ended_by: 'release' });
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
});

async function pair(shop: Workshop): Promise<[Run, Run]> {
  const first = shop.run('first');
  await first.leads();
  const second = shop.run('second');
  await second.standsBy();
  return [first, second];
}

async function tokenOf(run: Run): Promise<string> {
  return became.exec(await run.process.line(became))?.[1] as string;
}
