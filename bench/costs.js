/** What it costs while nothing happens: statements, the gate, memory. */
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { startIdle, startLibrary, startRun } from './contender.js';
import { openDatabase } from './database.js';
import { median, table } from './figures.js';

/** Counted in the server's log: statistics do not see statements that touch no table. */
export async function statements({ seconds, isWanted, progress }) {
  if (!isWanted('statements')) return undefined;
  const database = await openDatabase({
    log_statement: 'all',
    log_connections: 'on',
    log_line_prefix: '%n %a ',
    application_name: 'none',
  });
  const options = { connectionString: database.url, name: 'quiet' };
  const pair = [];
  for (const label of ['leader', 'standby']) {
    pair.push(startLibrary({ ...options, label }));
    await pair.at(-1).next(label === 'leader' ? 'leading' : 'ready');
  }
  await pause(3_000); // both sessions of both are set up
  progress(`statements: ${seconds} s of rest`);
  const from = Date.now();
  await pause(seconds * 1000);
  const until = Date.now();
  const lines = linesIn(database.log(), from, until);
  for (const contender of pair) await contender.end();
  await database.close();
  const perSecond = (of) => lines.filter(of).length / seconds;
  const from_ =
    (label) =>
    ({ application, isStatement }) =>
      isStatement && application === `lockd:quiet:${label}`;
  return {
    seconds,
    leader: perSecond(from_('leader')),
    standby: perSecond(from_('standby')),
    connections: perSecond(({ isConnection }) => isConnection),
  };
}

const linesIn = (log, from, until) =>
  log
    .split('\n')
    .map(parse)
    .filter(({ at }) => at >= from && at < until);

/** Of a server that logs all statements, each with when it began and whose it was. */
export const statementsIn = (log, from, until) =>
  linesIn(log, from, until).filter(({ isStatement }) => isStatement);

function parse(line) {
  const [, epoch, application, text] = /^(\d+\.\d+) (\S+) LOG: {2}(.*)$/.exec(line) ?? [];
  return {
    at: Number(epoch) * 1000,
    application,
    isStatement: /^(statement|execute)/.test(text ?? ''),
    isConnection: /^connection authorized/.test(text ?? ''),
  };
}

/** One open gate, one closed; the median of several long loops. */
export async function gateCost(database, { isWanted, progress }) {
  if (!isWanted('gate')) return undefined;
  progress('isActive(): a million calls');
  const options = { connectionString: database.url, name: 'cost' };
  const leader = startLibrary({ ...options, label: 'leader' });
  await leader.leading();
  const standby = startLibrary({ ...options, label: 'standby' });
  await standby.next('ready');
  const cost = async (contender, isOpen) => {
    const taken = [];
    for (let round = 0; round < 20; round += 1) {
      const [ns, wasOpen] = await contender.ask('cost');
      if (wasOpen === Number(isOpen) && !Number.isNaN(ns)) taken.push(ns);
    }
    return median(taken);
  };
  const measured = { activeNs: await cost(leader, true), passiveNs: await cost(standby, false) };
  await Promise.all([leader.end(), standby.end()]);
  return measured;
}

/**
 * The median of three processes of each kind, some seconds after their start. Resident counts the
 * runtime's binary in every process anew; own is what no other process shares; PSS divides the rest.
 */
export async function memory(database, { isWanted, progress }) {
  if (!isWanted('memory')) return undefined;
  progress('memory');
  const kinds = {
    'bare node': [],
    'node + pg client': [],
    'controller ACTIVE': [],
    'controller PASSIVE': [],
  };
  for (let round = 0; round < 3; round += 1) {
    const options = { connectionString: database.url, name: `memory-${round}` };
    kinds['bare node'].push(await ready(startIdle(), 'ready'));
    kinds['node + pg client'].push(await ready(startIdle(database.url), 'ready'));
    kinds['controller ACTIVE'].push(await ready(startLibrary(options), 'leading'));
    kinds['controller PASSIVE'].push(await ready(startLibrary(options), 'ready'));
  }
  const run = startRun({
    connectionString: database.url,
    name: 'memory-run',
    label: 'x',
    isTimed: false,
  });
  await run.next('command');
  await pause(4_000);
  const rows = [];
  for (const [what, contenders] of Object.entries(kinds)) {
    const sizes = await Promise.all(contenders.map(({ pid }) => sizeOf(pid)));
    rows.push({
      what,
      rss: median(sizes.map(({ rss }) => rss)),
      own: median(sizes.map(({ own }) => own)),
      pss: median(sizes.map(({ pss }) => pss)),
    });
  }
  rows.push({ what: 'lockd run: guard', ...(await sizeOf(run.pid)) });
  rows.push({ what: 'lockd run: supervisor', ...(await sizeOf(run.supervisor)) });
  await Promise.all([...Object.values(kinds).flat(), run].map((contender) => contender.end()));
  return rows;
}

async function ready(contender, word) {
  await contender.next(word);
  return contender;
}

/** In MB; PSS shares out what processes have in common, so it is what one more of them costs. */
async function sizeOf(pid) {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) / 1024;
  return {
    rss: field('Rss'),
    own: field('Private_Clean') + field('Private_Dirty'),
    pss: field('Pss'),
  };
}

export function costsText({ statements, gate, memory }) {
  const parts = [];
  if (statements !== undefined) {
    const { seconds, leader, standby, connections } = statements;
    const rows = [
      ['leader, statements/s', leader.toFixed(2)],
      ['standby, statements/s', standby.toFixed(2)],
      ['both, new connections/s', connections.toFixed(2)],
    ];
    parts.push(table([`at rest, TTL 10 s, ${seconds} s`, ''], rows));
  }
  if (gate !== undefined) {
    const rows = [
      ['open', gate.activeNs.toFixed(0)],
      ['closed', gate.passiveNs.toFixed(0)],
    ];
    parts.push(table(['isActive()', 'ns/call'], rows));
  }
  if (memory !== undefined) {
    const [bare] = memory;
    const counts = ['rss', 'own', 'pss'];
    const rows = memory.map(({ what, ...sizes }) => [
      what,
      ...counts.flatMap((count) => [
        sizes[count].toFixed(1),
        `+${(sizes[count] - bare[count]).toFixed(1)}`,
      ]),
    ]);
    const head = ['RSS', 'own', 'PSS'].flatMap((count) => [count, 'over bare']);
    parts.push(table(['memory, MB', ...head], rows));
  }
  return parts.join('\n\n');
}
