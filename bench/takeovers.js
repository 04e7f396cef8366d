/**
 * Planned and crash: from the moment before the signal to the successor's being ACTIVE. Each round
 * starts a fresh standby beside the leader, as a deploy does, waits until both are at rest, and
 * lets a random while pass, so that the signal falls anywhere in the standby's attempts.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { now } from './clock.js';
import { kill, startFloor, startLibrary, startRun } from './contender.js';
import { ms, summary, table } from './figures.js';

const floor = (database) => ({
  start: () => startFloor(database.url),
  settled: () => database.floorWaiter(),
});

/** Per instance: seat, control, and the witness's own control session. */
const library = (database) => {
  const options = { connectionString: database.url, name: 'library', guard: true };
  return {
    start: (label) => startLibrary({ ...options, label }),
    settled: () => database.sessions('library', 6),
  };
};

/** Per instance: the supervisor's seat and the guard's control session. */
const run = (database) => ({
  start: (label) => startRun({ connectionString: database.url, name: 'run', label }),
  settled: () => database.sessions('run', 4),
});

const terminate = (leader) => leader.signal('SIGTERM');
const killIt = (leader) => leader.signal('SIGKILL');
const killSupervisor = (leader) => kill(leader.supervisor, 'SIGKILL');

/** The leader is carried over from one line to the next, so lines of a contender share a chain. */
const lines = [
  { is: 'planned', who: 'floor', what: 'unlock', by: terminate },
  { is: 'planned', who: 'library', what: 'stop()', by: terminate },
  { is: 'planned', who: 'lockd run', what: 'SIGTERM', by: terminate },
  { is: 'crash', who: 'floor', what: 'kill -9', by: killIt },
  { is: 'crash', who: 'library', what: 'kill -9, guard: true', by: killIt },
  { is: 'crash', who: 'lockd run', what: 'kill -9 of the supervisor', by: killSupervisor },
  { is: 'crash', who: 'lockd run', what: 'kill -9 of the guard', by: killIt },
];

export async function takeovers(database, { rounds, isWanted, progress }) {
  const wanted = lines.filter(({ is }) => isWanted(is));
  if (wanted.length === 0) return undefined;
  const contenders = {
    floor: floor(database),
    library: library(database),
    'lockd run': run(database),
  };
  const leaders = {};
  for (const [who, { start }] of Object.entries(contenders)) {
    leaders[who] = start('first');
    await leaders[who].leading();
  }
  const taken = new Map(wanted.map((line) => [line, { active: [], command: [] }]));
  for (let round = 1; round <= rounds; round += 1) {
    progress(`planned and crash: round ${round} of ${rounds}`);
    for (const line of wanted) {
      const { start, settled } = contenders[line.who];
      const standby = start(`round-${round}`);
      await standby.next('ready');
      await settled();
      await pause(150 + Math.random() * 300);
      const leader = leaders[line.who];
      const at = now();
      line.by(leader);
      taken.get(line).active.push((await standby.leading()) - at);
      if (line.who === 'lockd run') {
        taken.get(line).command.push((await standby.next('command')).heardAt - at);
      }
      leaders[line.who] = standby;
      await leader.exited;
    }
  }
  for (const leader of Object.values(leaders)) await leader.end();
  return wanted.map((line) => {
    const { by: _, ...facts } = line;
    const { active, command } = taken.get(line);
    const started = command.length === 0 ? {} : { command: summary(command) };
    return { ...facts, active: summary(active), ...started };
  });
}

export function takeoversText(measured) {
  const floorOf = (is) =>
    measured.find((line) => line.is === is && line.who === 'floor')?.active.median;
  const rows = measured.flatMap(({ is, who, what, active, command }) => [
    row(`${is}: ${who}, ${what}`, active, floorOf(is)),
    ...(command === undefined ? [] : [row('  … its command runs', command, floorOf(is))]),
  ]);
  return table(['event → ACTIVE, ms', 'n', 'min', 'median', 'p95', 'max', '× floor'], rows);
}

const row = (name, { n, min, median, p95, max }, floorMedian) => [
  name,
  n,
  ms(min),
  ms(median),
  ms(p95),
  ms(max),
  (median / floorMedian).toFixed(2),
];
