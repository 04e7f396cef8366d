// A host that embeds the library: claims to lead whenever its gate is open, and works on items then.
import { createInterface } from 'node:readline';
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

function claim() {
  const at = now();
  if (lock.isActive()) say('claim', at, lock.term.token);
}

setInterval(claim, 3);
lock.on('active', claim);
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
  track: (work) => (lock.isActive() ? lock.track(work) : work),
});
