// A host process: embeds the built library, samples the gate every other millisecond, prints one
// JSON line per event, obeys JSON commands on stdin. Pipes are written synchronously, so that a
// kill loses no line.
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { SingletonLockController } from '../../dist/index.js';

const now = () => {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
};
const say = (is, facts = {}) => console.log(JSON.stringify({ is, at: now(), ...facts }));
const problem = (error) => say('problem', { message: String(error?.message ?? error) });

const { passwordFile, ...options } = JSON.parse(process.argv[2]);
if (passwordFile !== undefined) {
  options.connection = { ...options.connection, password: () => readFile(passwordFile, 'utf8') };
}
const controller = new SingletonLockController(options);
controller
  .on('active', (term) => say('active', { token: String(term.token) }))
  .on('passive', (term, reason) => say('passive', { token: String(term.token), reason }))
  .on('warning', problem)
  .on('stopped', () => say('stopped'));

let lastTrue;
let lastSampleAt = now();
let saidUntil = 0;
let finish = () => {};

function sample() {
  const at = now(); // before the question: a freeze between the two must not look like a claim
  const isActive = controller.isActive();
  if (isActive) lastTrue = at;
  return { at, isActive };
}

setInterval(() => {
  const { at, isActive } = sample();
  // 250 ms without a turn: something held this process up, and this is the first thing it asks.
  if (at - lastSampleAt > 250) say('thawed', { isActive, lastTrue, gapMs: at - lastSampleAt });
  lastSampleAt = at;
  const until = now() + (controller.term?.validForMs() ?? Number.NEGATIVE_INFINITY);
  if (until > saidUntil + 20) {
    saidUntil = until;
    say('valid', { until });
  }
}, 2);

const commands = {
  block(ms) {
    const end = now() + ms;
    let samples = 0;
    let isActive = true;
    while (now() < end) {
      ({ isActive } = sample());
      samples += 1;
    }
    say('blocked', { lastTrue, isActive, samples });
  },
  work(ms) {
    const work = new Promise((resolve) => {
      finish = resolve;
      if (ms !== undefined) setTimeout(resolve, ms);
    });
    void controller.track(work).then(() => say('worked'));
    say('working');
  },
  finish: () => finish(),
  report: () => say('report', { ...sample(), lastTrue }),
  resign: () => controller.resign().then(() => say('resigned'), problem),
  stop: () => controller.stop().then(() => process.exit(0), problem),
};

createInterface({ input: process.stdin }).on('line', (line) => {
  const { do: command, ms } = JSON.parse(line);
  commands[command](ms);
});
controller.start().catch(problem);
say('ready');
