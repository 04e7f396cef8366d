/** What a manager asks of the server while nothing happens, counted in the server's log. */
import { setTimeout as pause } from 'node:timers/promises';
import { startLocks } from '../contender.js';
import { statementsIn } from '../costs.js';
import { openDatabase } from '../database.js';
import { table } from '../figures.js';

const held = { none: 0, many: 1_000 };

export async function rest({ seconds, isWanted, progress }) {
  if (!isWanted('rest')) return undefined;
  const database = await openDatabase({
    log_statement: 'all',
    log_line_prefix: '%n %a ',
    application_name: 'none',
  });
  const all = [];
  for (const [label, count] of Object.entries(held)) {
    const locks = startLocks({ connectionString: database.url, label });
    await locks.next('ready');
    await locks.ask(`hold ${count}`);
    all.push(locks);
  }
  await pause(3_000); // housekeeping is over
  progress(`rest: ${seconds} s`);
  const from = Date.now();
  await pause(seconds * 1000);
  const lines = statementsIn(database.log(), from, Date.now());
  await Promise.all(all.map((locks) => locks.end()));
  await database.close();
  return Object.entries(held).map(([label, count]) => ({
    count,
    perSecond:
      lines.filter(({ application }) => application.endsWith(`:${label}`)).length / seconds,
  }));
}

export const restText = (measured) =>
  table(
    ['at rest, TTL 10 s', 'statements/s'],
    measured.map(({ count, perSecond }) => [`${count} holds`, perSecond.toFixed(2)]),
  );
