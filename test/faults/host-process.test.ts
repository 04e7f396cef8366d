import { execPath } from 'node:process';
import { expect, test } from 'vitest';
import { built } from '../support/built.ts';
import { type Election, holdElection } from '../support/election.ts';
import { TestProcess } from '../support/processes.ts';
import { until } from '../support/wait.ts';

/** What a program could be surprised by, if a library of it listened or caught. */
const noises = `['uncaughtException', 'unhandledRejection', 'uncaughtExceptionMonitor', 'warning',
  'multipleResolves', 'rejectionHandled', 'beforeExit', 'exit', 'SIGTERM', 'SIGINT', 'SIGHUP',
  'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'disconnect', 'message']`;

for (const guard of [false, true]) {
  const what = guard ? 'a guarded controller' : 'a controller';

  test(`${what} listens to nothing of its process, from import to stop()`, async () => {
    await using election = await holdElection({ ttlMs: 20_000 });
    await using host = program(
      election,
      { guard },
      `tellListeners();
       await controller.start();
       tellListeners();
       await controller.stop();
       tellListeners();`,
    );
    expect(await host.closed).toEqual({ code: 0, signal: null });
    expect(new Set(host.stdout).size).toBe(1);
    expect(host.stdout).toHaveLength(4); // and once before it was loaded
    expect(host.stderr).toEqual([]);
  });

  test(`${what} leaves a rejection that nobody handles what it is: the end of the process`, async () => {
    await using election = await holdElection({ ttlMs: 20_000 });
    await using host = program(
      election,
      { guard },
      `await controller.start();
       void Promise.reject(new Error('nobody handles this'));`,
    );
    expect(await host.closed).toEqual({ code: 1, signal: null });
    expect(host.stderr.join('\n')).toContain('nobody handles this');
  });

  test(`${what} that was never started, or was stopped, keeps no process alive`, async () => {
    await using election = await holdElection({ ttlMs: 20_000 });
    await using idle = program(election, { guard }, '');
    expect(await idle.closed).toEqual({ code: 0, signal: null });
    await using stopped = program(
      election,
      { guard },
      'await controller.start(); await controller.stop();',
    );
    expect(await stopped.closed).toEqual({ code: 0, signal: null });
    await using refused = program(
      election,
      { guard, schema: 'nowhere' },
      `await controller.start().catch(({ code }) => console.log(code));`,
    );
    expect(await refused.closed).toEqual({ code: 0, signal: null });
    expect(refused.stdout).toEqual(['LOCKD_SCHEMA_MISSING']);
  });
}

test('a controller that was started keeps its process alive, leading or not', async () => {
  await using election = await holdElection({ ttlMs: 1_500 });
  await using leader = program(election, { label: 'leader' }, 'await controller.start();');
  await until(async () => (await election.terms()).length === 1);
  await election.beats(8); // more than a lease of them
  await using standby = program(
    election,
    { label: 'standby' },
    `controller.on('attempt', ({ attempt }) => console.log('attempt', attempt));
     controller.on('active', () => console.log('active'));
     await controller.start();`,
  );
  await standby.line(/^attempt 6$/);
  leader.signal('SIGKILL');
  await standby.line(/^active$/);
});

/** A program of one controller, which does this and nothing else. */
function program(election: Election, options: object, code: string): TestProcess {
  const settings = {
    name: election.name,
    connectionString: election.url,
    ttlMs: 1_500,
    ...options,
  };
  const text = `
    const tellListeners = () => console.log(JSON.stringify(
      ${noises}.map((name) => [name, process.listenerCount(name)])));
    ${code.includes('tellListeners') ? 'tellListeners();' : ''}
    const { SingletonLockController } = await import(${JSON.stringify(built('index.js').href)});
    const controller = new SingletonLockController(${JSON.stringify(settings)});
    ${code}`;
  return new TestProcess(execPath, ['--input-type=module', '-e', text]);
}
