// A process that holds: embeds the built library, looks every other millisecond at what it holds, prints
// one JSON line per event, obeys JSON commands on stdin. Pipes are written synchronously, so that a kill
// loses no line.
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { assertFence, LockManager } from '../../../dist/index.js';

const now = () => {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
};
const say = (is, facts = {}) => console.log(JSON.stringify({ is, at: now(), ...facts }));
const problem = (id) => (error) =>
  say('problem', { id, code: error?.code, message: String(error?.message ?? error) });

const options = JSON.parse(process.argv[2]);
const locks = new LockManager(options);
const held = new Map();
/** Ended ones, too: what a process works under that does not look. */
const known = new Map();
let lastLookAt = now();

/** `lastTrue` is when it last said that it holds: before the question, or a freeze would look like a claim. */
function look() {
  const at = now();
  for (const entry of held.values()) if (entry.hold.isHeld()) entry.lastTrue = at;
  return at;
}

setInterval(() => {
  const gapMs = now() - lastLookAt;
  // 250 ms without a turn: something held this process up, and this is the first thing it asks.
  if (gapMs > 250) {
    const holding = [...held].filter(([, { hold }]) => hold.isHeld()).map(([id]) => id);
    say('thawed', { gapMs, holding });
  }
  lastLookAt = look();
}, 2);

function keep(id, hold) {
  const entry = { hold, lastTrue: now() };
  held.set(id, entry);
  known.set(id, hold);
  hold.signal.addEventListener('abort', () => {
    say('lost', { id, code: hold.signal.reason.code, lastTrue: entry.lastTrue });
    void release(id);
  });
  say('held', { id, resource: hold.resource, token: String(hold.token), slot: hold.slot });
}

async function release(id) {
  look();
  const { hold, lastTrue } = held.get(id);
  held.delete(id);
  await hold.release();
  say('released', { id, lastTrue });
}

async function fence({ id, forMs = 0 }) {
  const client = new pg.Client(options.connectionString);
  await client.connect();
  try {
    await client.query('begin');
    await assertFence(client, known.get(id));
    say('fenced', { id });
    await new Promise((resolve) => setTimeout(resolve, forMs));
    await client.query('commit');
  } finally {
    await client.end();
  }
}

/** Counts as nobody would who was not alone: reads, waits a turn, writes. */
async function count({ id, resource, file }) {
  await locks.using(resource, { owner: id }, async () => {
    const before = Number(readFileSync(file, 'utf8'));
    await new Promise(setImmediate);
    writeFileSync(file, String(before + 1));
    appendFileSync(`${file}.order`, `${id}\n`);
  });
}

const isWanted = new AbortController();

/** Takes and gives back until it is told to stop, and says for how long it had what. */
async function traffic({ resources, mode, holdMs = 1 }) {
  while (!isWanted.signal.aborted) {
    const resource = resources[Math.floor(Math.random() * resources.length)];
    const hold = await locks.acquire(resource, { mode, signal: isWanted.signal }).catch((error) => {
      if (!isWanted.signal.aborted) problem('traffic')(error);
    });
    if (hold === undefined) continue;
    const from = now();
    const end = from + holdMs;
    let until = from;
    do {
      await new Promise(setImmediate);
      const at = now();
      if (!hold.isHeld()) break;
      until = at;
    } while (until < end);
    say('had', { resource, from, until, token: String(hold.token) });
    await hold.release();
  }
}

const commands = {
  acquire: ({ id, resource, ...asked }) =>
    locks.acquire(resource ?? id, asked).then((hold) => keep(id, hold)),
  release: ({ id }) => release(id),
  fence,
  crowd: ({ from, to, ...rest }) =>
    Promise.all(
      Array.from({ length: to - from }, (_, index) => count({ id: `${from + index}`, ...rest })),
    ).then(() => say('crowded')),
  traffic: ({ streams, ...rest }) =>
    Promise.all(Array.from({ length: streams }, () => traffic(rest))).then(() => say('quiet')),
  quiet: async () => isWanted.abort(),
  report: async () => say('report', { holding: [...held.keys()], at: look() }),
  start: () => locks.start().then(() => say('started')),
  stop: () => locks.stop().then(() => process.exit(0)),
};

createInterface({ input: process.stdin }).on('line', (line) => {
  const { do: command, ...rest } = JSON.parse(line);
  commands[command](rest).catch(problem(rest.id));
});
say('ready');
