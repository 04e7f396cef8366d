// A host that embeds the library: claims to lead whenever its gate is open and as long as it drains,
// and works on items then.
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { assertFence, SingletonLockController } from '../../../dist/index.js';
import { now, say } from './claims.js';
import { workOnItems } from './items.js';

const told = (message) => (fields, text) =>
  console.error(JSON.stringify({ level: message, at: now(), msg: text, ...fields }, plain));
const plain = (_key, value) => (typeof value === 'bigint' ? String(value) : value);

const lock = new SingletonLockController({
  ...JSON.parse(process.argv[2]),
  connectionString: process.env.DATABASE_URL,
  logger: { debug: () => {}, info: told('info'), warn: told('warn'), error: told('error') },
});

/** The work of a term that has not settled, and until when its lease was known to last. */
let work;

function claim() {
  const at = now();
  const { term } = lock;
  if (term !== undefined) {
    if (work?.term === term) work.until = at + term.validForMs();
    say('claim', at, term.token);
  } else if (work !== undefined && at < work.until) {
    // What it does beyond the lease is not promised to be alone.
    say('claim', at, work.term.token);
  }
}

const finishMs = Number(process.argv[3]);
let item = Promise.resolve();

/** Takes a while to heed its signal: nobody else may lead before it has settled. */
async function workOn(term) {
  work = { term, until: 0 };
  await new Promise((resolve) => term.signal.addEventListener('abort', resolve));
  await pause(finishMs);
  await item;
  claim();
  work = undefined;
}

function trackItem(promise) {
  if (!lock.isActive()) return promise;
  item = promise.catch(() => {});
  return lock.track(promise);
}

setInterval(claim, 3);
lock.on('active', (term) => {
  if (!term.signal.aborted) lock.track(workOn(term));
  claim();
});
process.once('SIGTERM', () => lock.stop().then(() => process.exit()));
createInterface({ input: process.stdin })
  .on('line', (blockMs) => block(Number(blockMs)))
  .on('close', () => process.exit()); // whoever runs the chaos is gone

/** As a long computation would: it goes on to ask the gate, and nothing else of this process runs. */
function block(forMs) {
  const end = now() + forMs;
  for (let next = 0; now() < end; ) {
    if (now() < next) continue;
    claim();
    next = now() + 3;
  }
}

// Careless on purpose: for a while it goes on under a term that is over, and asks no gate. That is
// what the fence is for.
const carelessMs = 1_000;
let last;
lock.on('active', (term) => {
  last = { term, until: Number.POSITIVE_INFINITY };
});
lock.on('passive', () => {
  last = { ...last, until: now() + carelessMs };
});

await lock.start();
await workOnItems({
  term: () => (now() < (last?.until ?? 0) ? last.term : undefined),
  fence: assertFence,
  track: trackItem,
});
