/**
 * What a user of lockd meets first, on other versions of Node: the package as it is packed, its
 * command line, and handovers between processes.
 *
 *   npm run test:node -- [20] [22.12] [22] [24] [26] [--only test/faults/handover]
 *
 * Without a version: all of them. Each is a package of some 60 MB to download, kept as those of
 * `npm run test:versions` are.
 */
import { delimiter, join } from 'node:path';
import { parseArgs } from 'node:util';
import { chosen, each, fetched, root, run, vitest } from './fetched.js';

/** The floors that `engines` names, and the newest of each line. */
const packages = {
  20.19: '20.19.0',
  20: '20.20.2',
  22.12: '22.12.0',
  22: '22.23.3',
  24: '24.21.0',
  26: '26.10.0',
};

const smoke = [
  'test/package/consumer.test.ts',
  'test/index.test.ts',
  'test/cli/main.test.ts',
  'test/guard/handover.test.ts',
  'test/guard/killed.test.ts',
  'test/guard/witness.test.ts',
  'test/faults/lifecycle.test.ts',
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string', multiple: true } },
});
const all = Object.keys(packages);
const system = process.platform === 'win32' ? 'win' : process.platform;

await each(chosen(positionals.length === 0 ? all : positionals, packages, 'Node'), 'Node', play);

async function play(version) {
  const name = `node-${system}-${process.arch}`;
  const folder = join(await fetched(name, packages[version], 'node'), 'bin');
  console.log(`\nNode ${packages[version]}: ${folder}`);
  const path = `${folder}${delimiter}${process.env.PATH}`;
  return run(vitest(values.only ?? smoke, join(folder, 'node')), {
    cwd: root,
    env: { ...process.env, PATH: path },
  });
}
