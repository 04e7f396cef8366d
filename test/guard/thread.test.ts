import { execPath } from 'node:process';
import { expect, test } from 'vitest';
import { descendants, isAlive, processIdentity } from '../../src/embedded/processes.ts';
import { built } from '../support/built.ts';
import { type Election, holdElection } from '../support/election.ts';
import { TestProcess } from '../support/processes.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

const ttlMs = 2_000;

test('a thread that leads beside a witness and is terminated: its process lives, so nobody testifies; one lease later the next one leads', async () => {
  await using election = await holdElection({ ttlMs });
  await using host = threaded(election);
  await host.line(/^active$/);
  const [witness] = await descendants(host.pid);
  const identity = (await processIdentity(witness ?? 0)) ?? '';
  expect(await isAlive(identity)).toBe(true);
  const next = await election.standBy('next');
  await election.beats(1);
  host.write('terminate\n');
  await host.line(/^terminated$/);
  const terminatedAt = now();
  const active = await next.story.next('active');
  expect(active.at - terminatedAt).toBeGreaterThan(ttlMs / 3);
  expect((await election.terms())[0]).toMatchObject({ label: 'thread', ended_by: 'takeover' });
  // Its zombie stays until the process ends: of a thread that was terminated Node reaps no children.
  await until(async () => !(await isAlive(identity)), { describe: 'the witness has ended' });
});

/** A process with one thread, which leads beside a witness of its own. */
function threaded({ name, url }: Election): TestProcess {
  const options = { name, label: 'thread', connectionString: url, ttlMs, guard: true };
  const thread = `
    Promise.all(['node:worker_threads', ${JSON.stringify(built('index.js').href)}].map((it) => import(it)))
      .then(([{ parentPort }, { SingletonLockController }]) =>
        new SingletonLockController(${JSON.stringify(options)})
          .on('active', () => parentPort.postMessage('active'))
          .start());`;
  const code = `
    import { Worker } from 'node:worker_threads';
    const worker = new Worker(${JSON.stringify(thread)}, { eval: true });
    worker.on('message', (said) => console.log(said));
    process.stdin.once('data', () => worker.terminate().then(() => console.log('terminated')));`;
  return new TestProcess(execPath, ['--input-type=module', '-e', code]);
}
