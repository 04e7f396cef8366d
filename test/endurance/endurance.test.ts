import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../support/folder.ts';
import { startNode } from '../support/processes.ts';

const program = new URL('endurance.js', import.meta.url);

test('hundreds of handovers, and a rest, leave nothing behind that grows', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'endurance.svg');
  const args = ['--handovers', '0.2', '--rest', '1', '--every', '0.5', '--plot', file];
  await using run = startNode(program, args);
  const { code } = await run.closed;
  expect(run.stdout.filter((line) => line.includes('GREW'))).toEqual([]);
  expect(code, run.stderr.join('\n')).toBe(0);
  const [, terms] = /handovers: .* (\d+) terms/.exec(run.stdout.join('\n')) ?? [];
  expect(Number(terms)).toBeGreaterThan(100);
  expect(await readFile(file, 'utf8')).toContain('<polyline');
}, 90_000);
