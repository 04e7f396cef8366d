// The floor of resource locks: a bare client that takes an advisory lock and gives it back. It has no
// owner, no fencing token, no end but its session's, and one lock at a time.
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { now } from '../clock.js';

const { connectionString } = JSON.parse(process.argv[2]);
const say = (...words) => process.stdout.write(`${words.join(' ')}\n`);

const client = new pg.Client({ connectionString });
await client.connect();

const answers = {
  /** One after the other on one session, as there is no other way. */
  async pairs(_callers, forMs) {
    const begunAt = now();
    let pairs = 0;
    for (; now() - begunAt < forMs; pairs += 1) {
      await client.query('select pg_try_advisory_lock(8)');
      await client.query('select pg_advisory_unlock(8)');
    }
    say('pairs', pairs / (now() - begunAt));
  },

  async turns(forMs, holdMs) {
    const begunAt = now();
    const turns = [];
    while (now() - begunAt < forMs) {
      await client.query('select pg_advisory_lock(9)');
      const hadAt = now();
      await pause(holdMs);
      turns.push(hadAt, now());
      await client.query('select pg_advisory_unlock(9)');
    }
    say('turns', ...turns);
  },
};

const questions = createInterface({ input: process.stdin });
questions.on('line', (line) => {
  const [question, ...rest] = line.split(' ');
  void answers[question](...rest.map(Number));
});
questions.on('close', () => process.exit()); // whoever runs the benchmark is gone
process.once('SIGTERM', () => process.exit());
say('ready');
