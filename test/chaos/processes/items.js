// The work of a leader: item after item, each one numbered by what the table held before, and marked
// in the same transaction. No constraint forbids to do one twice: only the fence does.
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { now, say } from './claims.js';

const { DATABASE_URL, CHAOS_LABEL, CHAOS_UNFENCED } = process.env;
const isFenced = CHAOS_UNFENCED === undefined;

/**
 * Works for ever, over as many connections as it takes.
 *
 * @param options.term Whom to work for now, if anybody: `{ name, token }`.
 * @param options.fence Makes a transaction refuse to be stale.
 * @param options.track Counts an item as work in flight.
 */
export async function workOnItems({ term, fence, track = (work) => work }) {
  for (;;) {
    while (term() === undefined) await pause(5);
    await overOneConnection(async (client) => {
      for (;;) {
        const mine = term();
        if (mine === undefined) await pause(5);
        else await track(workOnOne(client, mine, fence));
        await pause(5);
      }
    });
    await pause(50);
  }
}

/** Whatever goes wrong on it: the next one is a new one, and what became of its last item is open. */
async function overOneConnection(work) {
  const client = new pg.Client({
    connectionString: DATABASE_URL,
    application_name: `worker:${CHAOS_LABEL}`,
    connectionTimeoutMillis: 2_000,
    query_timeout: 2_000,
    // A frozen worker in the middle of its transaction would hold up the next leader for ever.
    idle_in_transaction_session_timeout: 500,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    await work(client);
  } catch (error) {
    if (error.code === 'LOCKD_STALE_TOKEN' || error.code === 'LKD01') say('refused', now(), 0);
    client.end().catch(() => {});
    client.connection.stream.destroy();
  }
}

async function workOnOne(client, term, fence) {
  await client.query('begin');
  if (isFenced) await fence(client, term);
  const { rows } = await client.query('select coalesce(max(item), 0) + 1 as item from chaos_item');
  const [{ item }] = rows;
  await client.query('select pg_sleep(0.002)'); // between the look and the write, as work takes time
  const mark = 'insert into chaos_item (item, token, label) values ($1, $2, $3)';
  await client.query(mark, [item, String(term.token), CHAOS_LABEL]);
  await client.query('commit');
  say('done', now(), term.token, { item: Number(item) });
}
