// A host that embeds resource locks: several workers that take them in all ways, and claim what they hold
// for as long as it is theirs.
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { LockManager } from '../../../dist/index.js';
import { now, say } from './claims.js';
import { overConnection, read, write } from './entries.js';

const { CHAOS_TRUSTING, DATABASE_URL } = process.env;
/** The control: a hold is good until it is given back, whatever becomes of its lease. */
const isTrusting = CHAOS_TRUSTING !== undefined;

const told = (level) => (fields, text) =>
  console.error(JSON.stringify({ level, at: now(), msg: text, ...fields }, plain));
const plain = (_key, value) => (typeof value === 'bigint' ? String(value) : value);

const locks = new LockManager({
  ...JSON.parse(process.argv[2]),
  connectionString: DATABASE_URL,
  drainTimeoutMs: 1_000,
  logger: { debug: () => {}, info: told('info'), warn: told('warn'), error: told('error') },
});

const resources = [
  { resource: 'order:1', modes: ['exclusive'] },
  { resource: 'order:2', modes: ['exclusive'] },
  { resource: 'page', modes: ['exclusive', 'shared', 'shared'] },
  { resource: 'gpu', modes: [{ permits: 2 }] },
  { resource: 'forced', modes: ['exclusive'] },
];

const chance = (probability) => Math.random() < probability;
const oneOf = (choices) => choices[Math.floor(Math.random() * choices.length)];

/** What is held here now, or is being worked under. */
const working = new Set();

const isMine = (hold) => (isTrusting ? working.has(hold) : hold.isHeld());

/** One line for all of them: the time is read before any of them is asked. */
function claim() {
  const at = now();
  const held = [...working].filter(isMine).map(({ resource, token }) => [resource, `${token}`]);
  if (held.length > 0) say('claim', at, 0, { held });
}

function begin(hold) {
  const at = now();
  working.add(hold);
  if (!isMine(hold)) return;
  const { resource, token, mode, slot } = hold;
  say('begin', at, token, { resource, mode, slot });
}

/** What nobody may know better than the one who waits: busy, a circle, a database that is away, … */
const isExpected = ({ code, name }) => `${code}`.startsWith('LOCKD_') || name === 'TimeoutError';

async function acquired() {
  const { resource, modes } = oneOf(resources);
  const mode = oneOf(modes);
  // Now and then over while its transaction runs: whoever is next waits for that, too.
  const ttlMs = chance(0.05) ? 20 : undefined;
  if (chance(0.2)) {
    const hold = await locks.tryAcquire(resource, { mode, ttlMs });
    return hold === undefined ? [] : [hold];
  }
  if (chance(0.1)) return (await locks.acquireAll(['order:2', 'order:1'], { waitMs: 2_000 })).holds;
  const signal = chance(0.2) ? AbortSignal.timeout(Math.ceil(Math.random() * 300)) : undefined;
  const waitMs = chance(0.2) ? Math.ceil(Math.random() * 300) : undefined;
  const owner = `${process.pid}/${Math.random()}`;
  const first = await locks.acquire(resource, { mode, ttlMs, owner, waitMs, signal });
  if (!resource.startsWith('order') || chance(0.98)) return [first];
  // In any order: now and then two stand in a circle, and the younger one gives way.
  begin(first);
  const other = resource === 'order:1' ? 'order:2' : 'order:1';
  try {
    return [first, await locks.acquire(other, { owner, waitMs: 3_000 })];
  } catch (error) {
    if (!isExpected(error)) throw error;
    return [first];
  }
}

async function workUnder(client, holds) {
  for (const hold of holds) begin(hold);
  try {
    for (const hold of holds) {
      if (hold.mode === 'exclusive') await write(client, hold);
      else if (hold.mode === 'shared') await read(client, hold);
      else await pause(Math.random() * 20);
    }
    if (chance(0.05)) await pause(100);
  } finally {
    claim();
    for (const hold of holds) {
      await hold.release();
      working.delete(hold);
    }
  }
  // Careless on purpose, under a hold that was given back: that is what the fence is for.
  if (chance(0.1) && holds[0].mode === 'exclusive') await write(client, holds[0]);
}

async function work() {
  for (;;) {
    await overConnection(async (client) => {
      for (;;) {
        const holds = await acquired().catch((error) => {
          if (isExpected(error)) return [];
          throw error;
        });
        if (holds.length > 0) await workUnder(client, holds);
        await pause(2 + Math.random() * 10);
      }
    });
    await pause(50);
  }
}

/** As a long computation would: it goes on to ask what it holds, and nothing else of this process runs. */
function block(forMs) {
  const end = now() + forMs;
  for (let next = 0; now() < end; ) {
    if (now() < next) continue;
    claim();
    next = now() + 3;
  }
}

setInterval(claim, 3);
process.once('SIGTERM', () => locks.stop().then(() => process.exit()));
createInterface({ input: process.stdin })
  .on('line', (blockMs) => block(Number(blockMs)))
  .on('close', () => process.exit()); // whoever runs the chaos is gone

/** Takes it away whether or not its holder has heard of it: here only the fence keeps one from another. */
async function force() {
  for (;;) {
    await pause(300 + Math.random() * 1_000);
    const why = { by: 'chaos', reason: 'because', graceMs: oneOf([0, 5, 50]) };
    await locks.forceRelease('forced', why).catch(() => {});
  }
}

for (let lane = 0; lane < 4; lane += 1) void work();
void force();
