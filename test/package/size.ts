import { spawnSync } from 'node:child_process';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startCluster } from '../../src/embedded/cluster.ts';
import { migrate } from '../../src/index.ts';
import { install, type Project, pack } from './packed.ts';

/** See size.js. Returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const options = { rounds: { type: 'string', default: '20' } } as const;
  const { values } = parseArgs({ args: [...args], options });
  await using packed = await pack();
  await using project = await install(packed);
  console.log(`installed with all it needs, ${process.version}\n`);
  printTable(await weights(packed.tarball, project));
  await using cluster = await startCluster();
  await migrate({ connectionString: cluster.url() });
  const bin = join(project.installed, 'bin/lockd.js');
  const commands = {
    'node -e 0': ['-e', '0'],
    'lockd --version': [bin, '--version'],
    'lockd status': [bin, 'status', '--database-url', cluster.url()],
    "import('lockd')": ['--input-type=module', '-e', "await import('lockd')"],
  };
  console.log(`\nfrom nothing to its exit, of ${values.rounds} rounds\n`);
  printTable(coldStarts(commands, project.path, Number(values.rounds)));
  return 0;
}

async function weights(tarball: string, { path, installed }: Project): Promise<string[][]> {
  const modules = join(path, 'node_modules');
  const names = (await readdir(modules)).filter((name) => !name.startsWith('.'));
  const scoped = names.filter((name) => name.startsWith('@'));
  const below = await Promise.all(scoped.map((scope) => readdir(join(modules, scope))));
  return [
    ['what', 'packages', 'MB'],
    ['tarball', '', megabytes((await lstat(tarball)).size)],
    ['lockd', '1', megabytes(await bytesIn(installed))],
    [
      'all',
      `${names.length - scoped.length + below.flat().length}`,
      megabytes(await bytesIn(modules)),
    ],
  ];
}

async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(found.map((file) => lstat(join(file.parentPath, file.name))));
  return sizes.reduce((sum, { size }) => sum + size, 0);
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(2);

function coldStarts(
  commands: Readonly<Record<string, readonly string[]>>,
  cwd: string,
  rounds: number,
): string[][] {
  const times = new Map(Object.keys(commands).map((name) => [name, [] as number[]]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, args] of Object.entries(commands)) {
      const before = performance.now();
      spawnSync(process.execPath, args, { cwd });
      // The first round fills the caches of the disk.
      if (round > 0) times.get(name)?.push(performance.now() - before);
    }
  }
  const rows = [...times].map(([name, all]) => {
    const sorted = all.toSorted((a, b) => a - b);
    const shown = [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
    return [name, ...shown.map((ms) => `${(ms ?? Number.NaN).toFixed(0)} ms`)];
  });
  return [['command', 'best', 'median', 'worst'], ...rows];
}

function printTable(rows: readonly string[][]): void {
  const width = (column: number): number =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0));
  for (const row of rows) {
    console.log(
      row
        .map((cell, column) => cell.padEnd(width(column)))
        .join('  ')
        .trimEnd(),
    );
  }
}
