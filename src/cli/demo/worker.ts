/** The demo's worker: what `lockd run` starts. One item after the other, each in a fenced transaction. */
import { systemClock } from '../../core/clock.ts';
import { openItemWorker } from '../../postgres/demo-items.ts';

const {
  LOCKD_NAME: name = '',
  LOCKD_TOKEN: token = '0',
  LOCKD_DATABASE_URL: connectionString,
  LOCKD_SCHEMA: schema,
} = process.env;

let isAsked = false;
process.on('SIGTERM', () => {
  isAsked = true; // the item in hand is finished first
});

const tell = (what: 'begun' | 'finished', item?: number): void =>
  void process.stdout.write(`${JSON.stringify({ what, item, at: systemClock.mono() })}\n`);

const worker = await openItemWorker({ connectionString, schema });
while (!isAsked) {
  tell('finished', await worker.workOne(name, BigInt(token), 20, () => tell('begun')));
}
await worker[Symbol.asyncDispose]();
