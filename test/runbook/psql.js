// `psql URL`, where there is none: what it is told on stdin, in one go.
import { text } from 'node:stream/consumers';
import pg from 'pg';

const client = new pg.Client({ connectionString: process.argv[2] });
await client.connect();
try {
  await client.query(await text(process.stdin));
} finally {
  await client.end();
}
