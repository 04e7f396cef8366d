import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { inTurn } from '../../src/embedded/turn.ts';
import { built } from '../support/built.ts';
import { temporaryFolder } from '../support/folder.ts';
import { startNode, type TestProcess } from '../support/processes.ts';
import { deferred } from '../support/wait.ts';

test('turns of one process follow one another, and a failure ends a turn', async () => {
  await using folder = await temporaryFolder();
  const steps: string[] = [];
  const work = deferred();
  const first = inTurn(folder.path, async () => {
    steps.push('first begins');
    await work.promise;
    steps.push('first fails');
    throw new Error('on purpose');
  });
  const second = inTurn(folder.path, async () => steps.push('second'));
  work.resolve();
  await expect(first).rejects.toThrow('on purpose');
  await second;
  expect(steps.sort()).toEqual(['first begins', 'first fails', 'second']);
});

test('no two processes ever have a turn at once, however many of them are killed', async () => {
  await using folder = await temporaryFolder();
  const start = (count: number): TestProcess =>
    startNode(new URL('./fixtures/turns.js', import.meta.url), [
      ...[built('embedded/turn.js').href, folder.path, `${count}`],
    ]);
  await using steady = start(100);
  await using other = start(100);
  for (let kills = 0; kills < 6; kills += 1) {
    await using victim = start(1_000);
    for (let turns = 0; turns <= kills; turns += 1) await victim.line(/^turn$/);
  }
  await Promise.all([steady.line(/^done$/, 20_000), other.line(/^done$/, 20_000)]);
  const said = [...steady.stdout, ...other.stdout];
  expect(said.filter((line) => line.startsWith('overlap'))).toEqual([]);
  expect((await readdir(join(folder.path, 'turns'))).length).toBeLessThan(40);
});
