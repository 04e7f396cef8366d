// A host that embeds the library: `ready` when it stands by, `leading` from its own 'active' event.
import { createInterface } from 'node:readline';
import { SingletonLockController } from '../../dist/index.js';
import { now } from '../clock.js';

const { isSampling, ...options } = JSON.parse(process.argv[2]);
const say = (...words) => process.stdout.write(`${words.join(' ')}\n`);

const controller = new SingletonLockController(options);
controller.on('active', ({ token }) => say('leading', now(), token));
controller.on('passive', (_term, reason) => say('passive', now(), reason));

/** When it would have worked, by its own gate: asked as often as timers allow. */
const claims = [];
if (isSampling) {
  setInterval(() => {
    const at = now(); // before the question: a freeze between the two must not look like a claim
    if (controller.isActive()) claims.push(at);
  }, 1);
}

const answers = {
  claims: (since) => say('claims', claims.filter((at) => at > since).length, claims.at(-1) ?? 0),
  cost: () => say('cost', nsPerCall(), Number(controller.isActive())),
};

/** Short enough not to hold up a beat. The result is NaN where the gate moved meanwhile. */
function nsPerCall() {
  const calls = 50_000;
  let open = 0;
  const begunAt = now();
  for (let call = 0; call < calls; call += 1) if (controller.isActive()) open += 1;
  const takenMs = now() - begunAt;
  const isSteady = open === (controller.isActive() ? calls : 0);
  return isSteady ? (takenMs / calls) * 1e6 : Number.NaN;
}

process.once('SIGTERM', async () => {
  await controller.stop();
  process.exit();
});
await controller.start();
if (!controller.isActive()) say('ready');

const questions = createInterface({ input: process.stdin });
questions.on('line', (line) => {
  const [question, argument] = line.split(' ');
  answers[question](Number(argument));
});
questions.on('close', () => process.exit()); // whoever runs the benchmark is gone
