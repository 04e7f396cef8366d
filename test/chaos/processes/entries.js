// The work under a hold: entries in a table, each one numbered by what the table held before for its
// resource. No constraint forbids to give a number twice: only the hold does, and its fence.
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { assertFence } from '../../../dist/index.js';
import { now, say } from './claims.js';

const { DATABASE_URL, CHAOS_LABEL, CHAOS_UNFENCED } = process.env;
const isFenced = CHAOS_UNFENCED === undefined;

/** Until something goes wrong on it: what became of its last transaction is open then. */
export async function overConnection(work) {
  const client = new pg.Client({
    connectionString: DATABASE_URL,
    application_name: `worker:${CHAOS_LABEL}`,
    connectionTimeoutMillis: 2_000,
    query_timeout: 2_000,
    // A frozen worker in the middle of its transaction would hold up the next holder for ever.
    idle_in_transaction_session_timeout: 500,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    await work(client);
  } catch (error) {
    if (error.code === undefined && !/timeout|terminated|connect/i.test(error.message)) throw error;
  } finally {
    client.end().catch(() => {});
    client.connection.stream.destroy();
  }
}

/**
 * Says what it was once it is committed, and at which moment it was fenced and open: then nobody else could
 * be granted what it was fenced with.
 */
async function transaction(client, hold, work) {
  let facts;
  let fencedAt;
  await client.query('begin');
  try {
    if (isFenced) await assertFence(client, hold);
    facts = await work();
    fencedAt = now();
    await client.query('commit');
  } catch (error) {
    if (error.code !== 'LOCKD_STALE_TOKEN') throw error;
    say('refused', now(), hold.token);
    await client.query('rollback');
    return;
  }
  const { kind, ...rest } = facts;
  say(kind, now(), hold.token, { resource: hold.resource, fencedAt, ...rest });
}

const lastEntry = async (client, { resource }) => {
  const look = 'select coalesce(max(item), 0) as item from chaos_entry where resource = $1';
  const { rows } = await client.query(look, [resource]);
  return Number(rows[0].item);
};

export const write = (client, hold) =>
  transaction(client, hold, async () => {
    const item = (await lastEntry(client, hold)) + 1;
    await pause(Math.random() * 15); // between the look and the write, as work takes time
    const enter = 'insert into chaos_entry (resource, item, token) values ($1, $2, $3)';
    await client.query(enter, [hold.resource, item, String(hold.token)]);
    return { kind: 'done', item };
  });

/** Nobody writes beside a reader. */
export const read = (client, hold) =>
  transaction(client, hold, async () => {
    const before = await lastEntry(client, hold);
    await pause(Math.random() * 15);
    const after = await lastEntry(client, hold);
    return { kind: after === before ? 'read' : 'moved' };
  });
