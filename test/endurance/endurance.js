/**
 * Thousands of handovers, then rest: does anything grow that should not?
 *
 *   npm run endurance -- [--handovers 30] [--rest 60] [--every 10] [--plot FILE] [--json FILE]
 *
 * `--handovers` and `--rest` in minutes, `--every` in seconds. Rest is played ten times faster, with
 * a tenth of the default lease: beats and attempts could leave something behind, the time between
 * them could not.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { growths } from './growth.js';
import { endure } from './phases.js';
import { plot } from './plot.js';

const { values } = parseArgs({
  options: {
    handovers: { type: 'string', default: '30' },
    rest: { type: 'string', default: '60' },
    every: { type: 'string', default: '10' },
    plot: { type: 'string' },
    json: { type: 'string' },
  },
});

const phases = await endure({
  handoversMs: Number(values.handovers) * 60_000,
  restMs: Number(values.rest) * 60_000,
  everyMs: Number(values.every) * 1000,
});

let isFlat = true;
for (const { name, samples } of phases) {
  const last = samples.at(-1);
  process.stdout.write(
    `${name}: ${(last.ms / 60_000).toFixed(1)} min, ${last.terms} terms, ${last.warnings} warnings\n`,
  );
  for (const growth of growths(samples)) {
    const { what, from, to, most } = growth;
    isFlat &&= growth.isFlat;
    const verdict = growth.isFlat ? 'flat' : 'GREW';
    process.stdout.write(`  ${verdict}  ${what.padEnd(22)} ${from} → ${to} (most ${most})\n`);
  }
}
if (values.plot !== undefined) await writeFile(values.plot, plot(phases));
if (values.json !== undefined) await writeFile(values.json, JSON.stringify(phases));
process.exitCode = isFlat ? 0 : 1;
