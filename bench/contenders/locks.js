// A host with a lock manager, which does what it is asked and says what it took.
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { LockManager } from '../../dist/index.js';
import { now } from '../clock.js';

const say = (...words) => process.stdout.write(`${words.join(' ')}\n`);

const locks = new LockManager(JSON.parse(process.argv[2]));
const held = [];

const answers = {
  /** Each caller has a resource of its own, and takes it and gives it back again and again. */
  async pairs(callers, forMs) {
    const begunAt = now();
    let pairs = 0;
    const call = async (_, number) => {
      for (; now() - begunAt < forMs; pairs += 1) {
        const hold = await locks.acquire(`pairs:${number}`);
        await hold.release();
      }
    };
    await Promise.all(Array.from({ length: callers }, call));
    say('pairs', pairs / (now() - begunAt));
  },

  async turns(forMs, holdMs) {
    const begunAt = now();
    const turns = [];
    while (now() - begunAt < forMs) {
      const hold = await locks.acquire('turns');
      const hadAt = now();
      await pause(holdMs);
      turns.push(hadAt, now());
      await hold.release();
    }
    say('turns', ...turns);
  },

  async hold(count) {
    const begunAt = now();
    const names = Array.from({ length: count }, (_, number) => `held:${process.pid}:${number}`);
    held.push(...(await Promise.all(names.map((name) => locks.acquire(name)))));
    say('hold', now() - begunAt);
  },

  async release() {
    const begunAt = now();
    await Promise.all(held.splice(0).map((hold) => hold.release()));
    say('release', now() - begunAt, begunAt);
  },

  async block() {
    held.push(await locks.acquire('line'));
    say('block');
  },

  async list() {
    const begunAt = now();
    const { length } = await locks.list();
    say('list', length, now() - begunAt);
  },

  memory() {
    globalThis.gc();
    globalThis.gc();
    const { rss, heapUsed } = process.memoryUsage();
    say('memory', rss / 2 ** 20, heapUsed / 2 ** 20);
  },

  /** Everybody in the same line; says when each was served, and by which token. */
  async wait(count, first) {
    const served = await Promise.all(
      Array.from({ length: count }, (_, number) =>
        locks.using('line', { owner: `${first + number}` }, ({ token }) => [
          first + number,
          token,
          now(),
        ]),
      ),
    );
    say('wait', ...served.flat());
  },
};

const questions = createInterface({ input: process.stdin });
questions.on('line', (line) => {
  const [question, ...rest] = line.split(' ');
  void answers[question](...rest.map(Number));
});
questions.on('close', () => process.exit()); // whoever runs the benchmark is gone
process.once('SIGTERM', async () => {
  await locks.stop({ force: true });
  process.exit();
});
await locks.start();
await (await locks.acquire('warm')).release();
say('ready');
