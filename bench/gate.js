/**
 * How fast the seat changes hands, against the floor of PostgreSQL itself, and what lockd costs.
 *
 *   npm run bench -- [--only planned,crash,freeze,partition,statements,gate,memory]
 *                    [--rounds 20] [--quick] [--json FILE]
 *
 * Compare only numbers of one run: contenders are measured in turns, in separate processes, on one
 * embedded PostgreSQL with fsync on.
 */
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { endAll } from './contender.js';
import { costsText, gateCost, memory, statements } from './costs.js';
import { openDatabase } from './database.js';
import { silence, silenceText } from './silence.js';
import { takeovers, takeoversText } from './takeovers.js';

const parts = ['planned', 'crash', 'freeze', 'partition', 'statements', 'gate', 'memory'];
const { values } = parseArgs({
  options: {
    only: { type: 'string', default: parts.join(',') },
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const only = values.only.split(',');
const unknown = only.filter((part) => !parts.includes(part));
if (unknown.length > 0) throw new Error(`--only knows ${parts.join(', ')}; not ${unknown}`);

const settings = {
  rounds: Number(values.rounds ?? (values.quick ? 3 : 20)),
  isWanted: (part) => only.includes(part),
  progress: (text) => process.stderr.write(`${text}\n`),
};
const silent = { ...settings, rounds: 3, ttlMs: values.quick ? 2_000 : 10_000 };
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
  const [{ version }] = await database
    .rows('show server_version')
    .then((rows) => rows.map(({ server_version }) => ({ version: server_version })));
  const machine = {
    node: process.version,
    postgres: version,
    cpus: cpus().length,
    durableWriteMs: await database.durableWriteMs(),
  };
  const takeover = await takeovers(database, settings);
  const costs = {
    gate: await gateCost(database, settings),
    memory: await memory(database, settings),
  };
  // These wait more than they work, and may do so together.
  const [silences, quiet] = await Promise.all([silence(database, silent), statements(resting)]);
  const measured = { machine, takeover, silence: silences, costs: { ...costs, statements: quiet } };
  const texts = [
    `Node ${machine.node}, PostgreSQL ${version}, ${machine.cpus} CPUs; one durable write: ${machine.durableWriteMs.toFixed(2)} ms`,
    takeover && takeoversText(takeover),
    silences && silenceText(silences),
    costsText(measured.costs),
  ];
  process.stdout.write(`${texts.filter(Boolean).join('\n\n')}\n`);
  if (values.json !== undefined) await writeFile(values.json, JSON.stringify(measured, null, 2));
} finally {
  await endAll();
  await database.close();
}
