/** Ten thousand holds in one process, and a thousand waits in one line. */
import { setTimeout as pause } from 'node:timers/promises';
import { startLocks } from '../contender.js';
import { ms, table } from '../figures.js';

const count = 10_000;

export async function holds(database, { isWanted, progress }) {
  if (!isWanted('holds')) return undefined;
  progress(`holds: ${count} in one process`);
  const locks = startLocks({ connectionString: database.url });
  await locks.next('ready');
  // Once round before, so that what is compared is what holds need, and not what code needs.
  for (const question of [`hold ${count}`, 'list', 'release']) await locks.ask(question);
  const before = await locks.ask('memory');
  const [takenMs] = await locks.ask(`hold ${count}`);
  const after = await locks.ask('memory');
  const [listed, listMs] = await locks.ask('list');
  const [{ advisory, sessions }] = await database.rows(
    `select count(*) filter (where l.locktype = 'advisory')::int as advisory,
            count(distinct a.pid)::int as sessions
     from pg_stat_activity a left join pg_locks l on l.pid = a.pid
     where a.application_name like 'lockd:%'`,
  );
  const [releasedMs] = await locks.ask('release');
  await locks.end();
  return {
    count: listed,
    rss: after[0] - before[0],
    heap: after[1] - before[1],
    takenMs,
    listMs,
    releasedMs,
    advisory,
    sessions,
  };
}

const processes = 4;
const waits = 1_000;

export async function line(database, { isWanted, progress }) {
  if (!isWanted('line')) return undefined;
  progress(`line: ${waits} waits, ${processes} processes`);
  const all = Array.from({ length: processes }, () =>
    startLocks({ connectionString: database.url }),
  );
  await Promise.all(all.map((each) => each.next('ready')));
  const first = startLocks({ connectionString: database.url });
  await first.next('ready');
  await first.ask('block');
  const share = waits / processes;
  const asked = all.map((each, number) => each.ask(`wait ${share} ${number * share}`));
  for (;;) {
    const [{ waiting }] = await database.rows('select count(*)::int as waiting from lockd.waiter');
    if (waiting === waits) break;
    await pause(20);
  }
  const stood = await database.rows('select owner from lockd.waiter order by id');
  const [, leftAt] = await first.ask('release');
  const served = (await Promise.all(asked))
    .flatMap((flat) =>
      Array.from({ length: flat.length / 3 }, (_, index) => ({
        owner: flat[3 * index],
        token: flat[3 * index + 1],
        at: flat[3 * index + 2],
      })),
    )
    .sort((one, other) => one.token - other.token);
  await Promise.all([first, ...all].map((each) => each.end()));
  return {
    served: served.length,
    inOrder: served.filter(({ owner }, index) => owner === Number(stood[index].owner)).length,
    tookMs: Math.max(...served.map(({ at }) => at)) - leftAt,
  };
}

export function manyText({ holds, line }) {
  const parts = [];
  if (holds !== undefined) {
    const rows = [
      ['memory more: heap, MB', holds.heap.toFixed(1)],
      ['memory more: resident, MB', holds.rss.toFixed(1)],
      ['taken all at once, ms', ms(holds.takenMs)],
      ['list(), ms', ms(holds.listMs)],
      ['given back all at once, ms', ms(holds.releasedMs)],
      ['advisory locks', holds.advisory],
      ['sessions', holds.sessions],
    ];
    parts.push(table([`${holds.count} holds in one process`, ''], rows));
  }
  if (line !== undefined) {
    const rows = [
      ['served', line.served],
      ['in the order in which they stood', line.inOrder],
      ['from the first release to the last one served, ms', ms(line.tookMs)],
      ['each, ms', ms(line.tookMs / line.served)],
    ];
    parts.push(table([`${waits} waits for one resource in ${processes} processes`, ''], rows));
  }
  return parts.join('\n\n');
}
