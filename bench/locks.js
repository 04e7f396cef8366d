/**
 * What resource locks cost, against the floor of PostgreSQL's own advisory locks.
 *
 *   npm run bench:locks -- [--only pairs,turns,holds,line,rest] [--slices 40] [--quick] [--json FILE]
 *
 * Compare only numbers of one run: contenders are measured in turns, in separate processes, on one
 * embedded PostgreSQL with fsync on.
 */
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { endAll } from './contender.js';
import { openDatabase } from './database.js';
import { holds, line, manyText } from './locks/many.js';
import { pairs, pairsText } from './locks/pairs.js';
import { rest, restText } from './locks/rest.js';
import { turns, turnsText } from './locks/turns.js';

const parts = ['pairs', 'turns', 'holds', 'line', 'rest'];
const { values } = parseArgs({
  options: {
    only: { type: 'string', default: parts.join(',') },
    slices: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const only = values.only.split(',');
const unknown = only.filter((part) => !parts.includes(part));
if (unknown.length > 0) throw new Error(`--only knows ${parts.join(', ')}; not ${unknown}`);

const settings = {
  slices: Number(values.slices ?? (values.quick ? 8 : 40)),
  sliceMs: 250,
  isWanted: (part) => only.includes(part),
  progress: (text) => process.stderr.write(`${text}\n`),
};
const resting = { ...settings, seconds: values.quick ? 5 : 60 };

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await endAll();
    await database.close();
    process.exit(1);
  });
}

const database = await openDatabase();
try {
  const [{ server_version: version }] = await database.rows('show server_version');
  const machine = { node: process.version, postgres: version, cpus: cpus().length };
  const measured = {
    machine,
    pairs: await pairs(database, settings),
    turns: await turns(database, settings),
    holds: await holds(database, settings),
    line: await line(database, settings),
    rest: await rest(resting),
  };
  const texts = [
    `Node ${machine.node}, PostgreSQL ${version}, ${machine.cpus} CPUs`,
    measured.pairs && pairsText(measured.pairs),
    measured.turns && turnsText(measured.turns),
    manyText(measured),
    measured.rest && restText(measured.rest),
  ];
  process.stdout.write(`${texts.filter(Boolean).join('\n\n')}\n`);
  if (values.json !== undefined) await writeFile(values.json, JSON.stringify(measured, null, 2));
} finally {
  await endAll();
  await database.close();
}
