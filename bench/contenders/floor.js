// The floor: a bare client that waits for an advisory lock and then makes one durable write. Nobody
// who leads on PostgreSQL and leaves a trace of it can be faster; and it is no leader election: it
// has no lease, no token, and trusts a lock that the server may free while its holder still works.
import pg from 'pg';
import { now } from '../clock.js';

const [url] = process.argv.slice(2);
const say = (text) => process.stdout.write(`${text}\n`);

const client = new pg.Client({ connectionString: url });
await client.connect();
const granted = client.query('select pg_advisory_lock(7)');
say('ready');
await granted;
await client.query('update bench_floor set turns = turns + 1');
say(`leading ${now()}`);

process.once('SIGTERM', async () => {
  await client.query('select pg_advisory_unlock(7)');
  await client.end();
});
