import { existsSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { descendants, isAlive, processIdentity } from '../../src/embedded/processes.ts';
import type { Logger, SingletonLockController } from '../../src/index.ts';
import { built } from '../support/built.ts';
import { query } from '../support/database.ts';
import { type Election, holdElection } from '../support/election.ts';
import { temporaryFolder } from '../support/folder.ts';
import type { Host } from '../support/host.ts';
import { markedProcesses } from '../support/marked.ts';
import { signal } from '../support/run.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

/** Far longer than what is waited for here: a successor that is quick has not waited it out. */
const longMs = 20_000;
const quickMs = 8_000;

test.concurrent('a host that is killed is testified to, and its successor does not wait the lease out', async () => {
  await using election = await holdElection({ ttlMs: longMs });
  const { host, witness } = await leadingHost(election);
  const next = await election.standBy('next');
  host.kill();
  const killedAt = now();
  const active = await next.story.next('active');
  expect(active.at - killedAt).toBeLessThan(quickMs);
  expect((await election.terms())[0]).toMatchObject({ label: 'host', ended_by: 'testimony' });
  await gone(witness);
});

test.concurrent('so is one that dies of an uncaught exception', async () => {
  await using election = await holdElection({ ttlMs: longMs });
  const { host, witness } = await leadingHost(election);
  const next = await election.standBy('next');
  host.process.write('what it cannot parse\n');
  const active = await next.story.next('active');
  expect((await host.process.closed).code).toBe(1);
  expect((await election.terms())[0]).toMatchObject({ label: 'host', ended_by: 'testimony' });
  expect(active.token).toBeDefined();
  await gone(witness);
});

test('so is one that dies while its witness is still being loaded', async () => {
  await using election = await holdElection({ ttlMs: longMs });
  await using folder = await temporaryFolder();
  const slow = fileURLToPath(new URL('../support/slow-witness.js', import.meta.url));
  const env = { NODE_OPTIONS: `--import ${slow}`, SLOW_WITNESS: join(folder.path, 'told') };
  const host = await election.host('host', { guard: true }, env);
  await host.next('active');
  const next = await election.standBy('next');
  await until(() => existsSync(env.SLOW_WITNESS), { describe: 'the witness is being loaded' });
  const witness = await witnessOf(host.process.pid);
  host.kill();
  await next.story.next('active');
  expect((await election.terms())[0]).toMatchObject({ label: 'host', ended_by: 'testimony' });
  await gone(witness);
});

test.concurrent('a frozen host is not testified to: frozen is not dead, and the successor waits the lease', async () => {
  await using election = await holdElection({ ttlMs: 1_500 });
  const { host } = await leadingHost(election);
  const next = await election.standBy('next');
  host.freeze();
  const active = await next.story.next('active');
  expect(active.at).toBeGreaterThan(host.trustedUntil);
  expect((await election.terms())[0]).toMatchObject({ label: 'host', ended_by: 'takeover' });
  host.thaw();
  await host.next('passive');
});

test.concurrent('the witness survives what a terminal or a service manager sends to everybody', async () => {
  await using election = await holdElection({ ttlMs: longMs });
  const { host, witness } = await leadingHost(election);
  const next = await election.standBy('next');
  for (const kind of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGTSTP'] as const) {
    signal(Number.parseInt(witness, 10), kind);
  }
  host.kill();
  await next.story.next('active');
  expect((await election.terms())[0]).toMatchObject({ label: 'host', ended_by: 'testimony' });
  await gone(witness);
});

test.concurrent('a host whose witness is killed goes on, is warned, and a crash then costs the lease', async () => {
  await using election = await holdElection({ ttlMs: 1_500 });
  const { host, witness } = await leadingHost(election);
  const next = await election.standBy('next');
  kill(witness);
  await election.beats(3);
  expect(host.of('passive')).toEqual([]);
  host.kill();
  const active = await next.story.next('active');
  expect(active.at).toBeGreaterThan(host.trustedUntil);
  expect((await election.terms())[0]).toMatchObject({ label: 'host', ended_by: 'takeover' });
});

test('the loss of a witness is logged', async () => {
  await using election = await holdElection({ ttlMs: longMs });
  const warnings: string[] = [];
  const controller = await witnessed(election, warnings);
  kill(await witnessOf(process.pid));
  await until(() => warnings.includes('lost the witness'));
  expect(controller.isActive()).toBe(true);
  await controller.stop();
});

test('what cannot travel to a witness is refused at start(), and no witness is left', async () => {
  await using election = await holdElection({ ttlMs: longMs });
  const { SingletonLockController: Built } = await import(built('index.js').href);
  await using controller: SingletonLockController = new Built({
    name: election.name,
    connectionString: election.url,
    connection: { stream: () => new Socket() },
    guard: true,
  });
  await expect(controller.start()).rejects.toMatchObject({
    code: 'LOCKD_GUARD',
    message: expect.stringContaining('plain data'),
  });
  expect(await descendants(process.pid)).toEqual([]);
});

test('a witness that is frozen does not hold up stop(), and is gone after it', async () => {
  await using election = await holdElection({ ttlMs: longMs });
  const controller = await witnessed(election, []);
  const witness = await witnessOf(process.pid);
  signal(Number.parseInt(witness, 10), 'SIGSTOP');
  await controller.stop();
  expect(await isAlive(witness)).toBe(false);
  expect(await election.terms()).toMatchObject([{ ended_by: 'release' }]);
});

test.concurrent('a host that leaves while its frozen witness has not heard of the end: it says nothing and goes', async () => {
  await using election = await holdElection({ ttlMs: longMs });
  const { host, witness } = await leadingHost(election);
  signal(Number.parseInt(witness, 10), 'SIGSTOP');
  host.tell('stop');
  await until(async () => (await election.terms())[0]?.ended_by === 'release');
  host.kill();
  await host.process.exited;
  signal(Number.parseInt(witness, 10), 'SIGCONT');
  await gone(witness);
  await host.process.closed;
  expect(host.process.stderr).toEqual([]);
  expect(await election.terms()).toMatchObject([{ ended_by: 'release' }]);
});

test.concurrent('a host that stops before its witness has come up leaves none, and no word of it', async () => {
  await using election = await holdElection({ ttlMs: longMs });
  const host = await election.host('host', { guard: true });
  host.tell('stop');
  expect(await host.process.closed).toEqual({ code: 0, signal: null });
  expect(host.process.stderr).toEqual([]);
});

test('stop() leaves no witness, and says nothing about it', async () => {
  await using election = await holdElection({ ttlMs: longMs });
  const warnings: string[] = [];
  const controller = await witnessed(election, warnings);
  const witness = await witnessOf(process.pid);
  await controller.stop();
  expect(await isAlive(witness)).toBe(false);
  expect(warnings).toEqual([]);
  expect(await election.terms()).toMatchObject([{ ended_by: 'release' }]);
});

/** In this process: what is built, because the witness is a program of its own. */
async function witnessed(election: Election, warnings: string[]): Promise<SingletonLockController> {
  const { SingletonLockController: Built } = await import(built('index.js').href);
  const quiet = () => {};
  const logger: Logger = {
    debug: quiet,
    info: quiet,
    warn: (_fields: object, message: string) => void warnings.push(message),
    error: quiet,
  };
  const controller: SingletonLockController = new Built({
    name: election.name,
    connectionString: election.url,
    ttlMs: longMs,
    guard: true,
    logger,
  });
  await controller.start();
  expect(controller.isActive()).toBe(true);
  return controller;
}

/** One that leads beside its witness. Whatever becomes of it, the witness goes with the test. */
async function leadingHost(election: Election): Promise<{ host: Host; witness: string }> {
  const host = await election.host('host', { guard: true });
  await host.next('active');
  await until(async () => (await sessionsOf(election, 'host')) === 3, {
    describe: 'the witness is connected, beside the seat and the control session',
  });
  return { host, witness: await witnessOf(host.process.pid) };
}

async function sessionsOf({ url, name }: Election, label: string): Promise<number> {
  const [row] = await query<{ count: number }>(
    url,
    'select count(*)::int from pg_stat_activity where application_name = $1 and datname = current_database()',
    [`lockd:${name}:${label}`],
  );
  return row?.count ?? 0;
}

/** Named for good: pids are reused. */
async function witnessOf(pid: number): Promise<string> {
  return until(
    async () => {
      const below = new Set(await descendants(pid));
      const all = await markedProcesses('witness-program.js');
      return processIdentity(all.find((candidate) => below.has(candidate.pid))?.pid ?? 0);
    },
    { describe: 'there is a witness' },
  );
}

const kill = (identity: string): void => signal(Number.parseInt(identity, 10), 'SIGKILL');

const gone = (identity: string): Promise<boolean> =>
  until(async () => !(await isAlive(identity)), { describe: 'the witness is gone' });
