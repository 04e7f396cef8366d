import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Run, signal } from '../support/run.ts';
import { openWorkshop } from '../support/workshop.ts';

test.concurrent("the command's exit code is that of `lockd run`, and the seat is let go", async () => {
  await using shop = await openWorkshop(10_000);
  const runs: [Run, number][] = [
    [shop.run('ends well', { endsMs: 50 }), 0],
    [shop.run('ends badly', { endsMs: 50, exitCode: 7 }), 7],
    [shop.run('is killed', { endsMs: 50, endsBy: 'SIGKILL' }), 128 + 9],
    [shop.run('is terminated', { endsMs: 50, endsBy: 'SIGTERM' }), 128 + 15],
  ];
  for (const [run, code] of runs) expect(await run.exit(), run.label).toBe(code);
  const terms = await shop.terms();
  expect(terms.map(({ label }) => label).sort()).toEqual(runs.map(([{ label }]) => label).sort());
  expect(terms.every(({ ended_by: by }) => by === 'release')).toBe(true);
});

test.concurrent('a command that cannot be had exits as in a shell: 127 not found, 126 not executable', async () => {
  await using shop = await openWorkshop(10_000);
  const plain = join(shop.folder, 'plain');
  await writeFile(plain, 'no program');
  const absent = shop.run('absent', {}, { command: ['no-such-command', shop.marker] });
  expect(await absent.exit()).toBe(127);
  await absent.process.closed;
  expect(absent.process.stderr).toContain('lockd: no-such-command: command not found');
  const nowhere = shop.run('nowhere', {}, { command: ['./no/such', shop.marker] });
  expect(await nowhere.exit()).toBe(127);
  await nowhere.process.closed;
  expect(nowhere.process.stderr).toContain('lockd: ./no/such: command not found');
  const barred = shop.run('barred', {}, { command: [plain, shop.marker] });
  expect(await barred.exit()).toBe(126);
  await barred.process.closed;
  expect(barred.process.stderr).toContain(
    `lockd: ${plain}: permission denied: chmod +x it, or put its interpreter before it`,
  );
  const env = { PATH: `${process.env['PATH']}:${shop.folder}` };
  const found = shop.run('found', {}, { command: ['plain', shop.marker], env });
  expect(await found.exit()).toBe(126);
  await found.process.closed;
  expect(found.process.stderr).toContain(
    `lockd: ${plain}: permission denied: chmod +x it, or put its interpreter before it`,
  );
  const folder = shop.run('folder', {}, { command: [shop.folder, shop.marker] });
  expect(await folder.exit()).toBe(126);
  await folder.process.closed;
  expect(folder.process.stderr).toContain(
    `lockd: ${shop.folder}: is a directory: name the program in it`,
  );
});

test.concurrent('what the shell itself says of a command is said in the name of lockd', async () => {
  await using shop = await openWorkshop(10_000);
  const orphan = join(shop.folder, 'orphan');
  await writeFile(orphan, '#!/no/such/interpreter', { mode: 0o755 });
  const run = shop.run('orphan', {}, { command: [orphan, shop.marker] });
  expect(await run.exit()).toBe(127);
  await run.process.closed;
  const said = run.process.stderr.filter((line) => line.includes(orphan));
  expect(said.some((line) => line.startsWith('lockd: '))).toBe(true);
  expect(said.join()).not.toContain('lockd-stub');
});

test.concurrent('the command is given its words and its environment as they are', async () => {
  await using shop = await openWorkshop(10_000);
  const words = ['-n', '$HOME', '"', "'; exit 3 #", '', '*', 'zwei Wörter'];
  const env = { word: 'mine', LOCKD_TOKEN: 'stale' };
  const program =
    'console.log(JSON.stringify([process.argv.slice(1), process.env.word, process.env.LOCKD_TOKEN]))';
  const command = [process.execPath, '-e', program, '--', ...words];
  const run = shop.run('only', {}, { command, env });
  expect(await run.exit()).toBe(0);
  const token = (await shop.terms())[0]?.token;
  expect(JSON.parse(run.process.stdout[0] ?? '')).toEqual([words, env.word, token]);
});

test.concurrent('a command that ends when it is told to has the last word on the exit code', async () => {
  await using shop = await openWorkshop(10_000);
  const run = shop.run('only', { exitCode: 3, finishMs: 50 });
  await run.leads();
  run.process.signal('SIGTERM');
  expect(await run.exit()).toBe(3);
});

test.concurrent('a command that ends by itself takes what it has left in its group with it', async () => {
  await using shop = await openWorkshop(10_000);
  const run = shop.run(
    'first',
    { endsMs: 1_000, exitCode: 5, below: { finishMs: 300 } },
    { flags: ['--grace', '5s'] },
  );
  await run.leads();
  await shop.claimed({ who: 'grandchild' });
  const second = shop.run('second');
  const next = await second.leads();
  expect(await run.exit()).toBe(5);
  expect(await shop.claimed({ who: 'grandchild', kind: 'SIGTERM' })).toBeDefined();
  expect(next.at).toBeGreaterThan(shop.lastClaim({ label: 'first' }));
});

test.concurrent('a stop that comes while what the command has left behind still finishes does not cut it short', async () => {
  await using shop = await openWorkshop(10_000);
  const run = shop.run('only', { endsMs: 2_000, exitCode: 5, below: { finishMs: 600 } });
  const told = await shop.claimed({ who: 'grandchild', kind: 'SIGTERM' });
  signal(run.guard, 'SIGTERM');
  expect(await run.exit()).toBe(5);
  expect(shop.lastClaim() - told.at).toBeGreaterThan(500);
});
