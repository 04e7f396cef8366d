import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Cluster } from '../../src/embedded/cluster.ts';
import { descendants } from '../../src/embedded/processes.ts';
import type { SingletonLockOptions } from '../../src/index.ts';
import { startTestCluster } from '../support/cluster.ts';
import { query } from '../support/database.ts';
import { type Contender, type Election, holdElection, terminate } from '../support/election.ts';
import { type TestFolder, temporaryFolder } from '../support/folder.ts';
import { markedProcesses } from '../support/marked.ts';
import { reload, writeServerFile } from '../support/reload.ts';
import { signal } from '../support/run.ts';
import { until } from '../support/wait.ts';

const [first, second] = ['the first secret', 'the second secret'];

test('a password function is asked at each connection: a rotation while leading costs nothing, and the next session has the new one', async () => {
  await using cluster = await clusterWithPasswords();
  await using election = await holdElection({}, cluster.url());
  let [current, asked] = [first, 0];
  const password = async (): Promise<string> => {
    asked += 1;
    return current;
  };
  const options = { connectionString: undefined, connection: { ...place(election), password } };
  const leader = await election.lead('leader', options);
  await election.bothBackends('leader');
  const askedAtFirst = asked;
  expect(askedAtFirst).toBeGreaterThanOrEqual(2);

  await rotate(cluster, second);
  await election.beats(3);
  expect(leader.story.of('passive')).toEqual([]);
  expect(asked).toBe(askedAtFirst); // what is connected stays connected

  current = second;
  await loseSessions(election, leader);
  const again = await leader.story.next('active');
  expect(again.token).toBeGreaterThan(leader.story.of('active')[0]?.token as bigint);
  expect(asked).toBeGreaterThan(askedAtFirst);
  await election.standBy('next', options);
  expectNoSecrets(election);
});

test('a witness asks for the password of today, too', async () => {
  await using cluster = await clusterWithPasswords();
  await using election = await holdElection({ ttlMs: 20_000 }, cluster.url());
  await using folder = await temporaryFolder();
  const { host, passwordFile } = await leadBesideAWitness(election, folder);
  const sessions = () => sessionsOf('host', cluster);
  await until(async () => (await sessions()).length === 3);
  const before = await sessions();
  await rotate(cluster, second);
  await writeFile(passwordFile, second);
  // Its seat and control sessions are lost as well: a leader of a new term.
  await terminate(election.url, ...before);
  await host.next('active');
  await until(async () => (await sessions()).length === 3, { describe: 'the witness is back' });
  const next = await election.standBy('next');
  host.kill();
  await next.story.next('active');
  expect((await election.terms())[1]).toMatchObject({ label: 'host', ended_by: 'testimony' });
});

test('a witness that has to connect anew when its host is dead has the last password it was given', async () => {
  await using cluster = await clusterWithPasswords();
  await using election = await holdElection({ ttlMs: 20_000 }, cluster.url());
  await using folder = await temporaryFolder();
  const { host } = await leadBesideAWitness(election, folder);
  await until(async () => (await sessionsOf('host', cluster)).length === 3);
  const below = await descendants(host.process.pid);
  const [witness] = (await markedProcesses('witness-program.js')).filter(({ pid }) =>
    below.includes(pid),
  );
  const next = await election.standBy('next');
  signal(witness?.pid ?? 0, 'SIGSTOP');
  host.kill();
  await host.process.exited;
  await terminate(election.url, ...(await sessionsOf('host', cluster)));
  signal(witness?.pid ?? 0, 'SIGCONT');
  await next.story.next('active');
  expect((await election.terms())[0]).toMatchObject({ label: 'host', ended_by: 'testimony' });
});

test.each([
  ['a function', (): string => first],
  ['a text', first],
])('a password beside an address that names none, %s, is heeded', async (_what, password) => {
  await using cluster = await clusterWithPasswords();
  await using election = await holdElection({}, cluster.url());
  const connectionString = asBot(election).href;
  await election.lead('leader', { connectionString, connection: { password } });
});

test('a password function that fails is asked again, and the reason is told', async () => {
  await using cluster = await clusterWithPasswords();
  await using election = await holdElection({}, cluster.url());
  let isDown = true;
  const password = async (): Promise<string> => {
    if (isDown) throw new Error('the vault is sealed');
    return first;
  };
  const { controller, story } = election.enter('leader', {
    connectionString: undefined,
    connection: { ...place(election), password },
  });
  await controller.start();
  expect((await story.next('warning')).message).toContain('the vault is sealed');
  isDown = false;
  await story.next('active');
});

test('a leader whose password has been rotated away stays passive once it has lost its session, says why, and comes back when it is right again', async () => {
  await using cluster = await clusterWithPasswords();
  await using election = await holdElection({}, cluster.url());
  const leader = await election.lead('leader', withPassword(election, first));
  await rotate(cluster, second);
  await election.beats(3);
  await loseSessions(election, leader);
  await refusals(leader, 3);
  expect(leader.controller.state).toBe('passive');
  for (const { reason } of leader.story.logged('could not campaign')) {
    expect(reason).toMatch(/password authentication failed.*Check user, password and database/);
  }
  expect(leader.story.of('warning').at(-1)?.message).toMatch(/Check user, password/);

  // Whoever has the new one leads meanwhile, and the one without it keeps asking.
  const next = await election.lead('next', withPassword(election, second));
  await refusals(leader, 1);
  await rotate(cluster, first);
  await leader.story.next('observed');
  await next.controller.stop();
  await leader.story.next('active');
  expectNoSecrets(election);
});

test.each([
  ['wrong', second, /Check user, password and database/],
  ['missing', '', /Give a password/],
])('a password that is %s from the beginning is told at start()', async (_what, given, remedy) => {
  await using cluster = await clusterWithPasswords();
  await using election = await holdElection({}, cluster.url());
  const { controller } = election.enter('leader', withPassword(election, given));
  await expect(controller.start()).rejects.toMatchObject({
    code: 'LOCKD_CONNECTION',
    isRetryable: false,
    message: expect.stringMatching(remedy),
  });
  expect(controller.state).toBe('stopped');
  expectNoSecrets(election);
});

/** Whose role `bot` needs a password. The test's own connections need none. */
async function clusterWithPasswords(): Promise<Cluster> {
  const cluster = await startTestCluster();
  await query(cluster.url(), 'create role bot login superuser');
  await rotate(cluster, first);
  const rules = ['host all bot 127.0.0.1/32 scram-sha-256', 'host all all 127.0.0.1/32 trust'];
  await writeServerFile(cluster, 'pg_hba.conf', `${rules.join('\n')}\n`);
  await reload(cluster);
  return cluster;
}

const rotate = (cluster: Cluster, password: string): Promise<unknown> =>
  query(cluster.url(), `alter role bot password '${password}'`);

function asBot({ url }: Election, password = ''): URL {
  const address = new URL(url);
  address.username = 'bot';
  address.password = password;
  return address;
}

const withPassword = (election: Election, password: string): Partial<SingletonLockOptions> => ({
  connectionString: asBot(election, password).href,
});

const place = ({ url, database }: Election) => ({
  host: '127.0.0.1',
  port: Number(new URL(url).port),
  user: 'bot',
  database,
});

async function sessionsOf(label: string, cluster: Cluster): Promise<number[]> {
  const found = await query<{ pid: number }>(
    cluster.url(),
    'select pid from pg_stat_activity where application_name like $1',
    [`lockd:%:${label}`],
  );
  return found.map(({ pid }) => pid);
}

async function loseSessions(election: Election, { label, story }: Contender): Promise<void> {
  const { seat, control } = await election.bothBackends(label);
  await terminate(election.url, seat, control);
  expect(await story.next('passive')).toMatchObject({ reason: 'session-lost' });
}

async function refusals({ story }: Contender, count: number): Promise<void> {
  const told = () => story.logged('could not campaign').length;
  const before = told();
  await until(() => told() >= before + count);
}

function expectNoSecrets({ contenders }: Election): void {
  const told = contenders.map(({ story }) => [story.all.map(String), story.lines, `${story}`]);
  const text = JSON.stringify(told, (_key, value) =>
    typeof value === 'bigint' ? `${value}` : value,
  );
  expect(text).not.toMatch(/secret/);
}

async function leadBesideAWitness(election: Election, folder: TestFolder) {
  const passwordFile = join(folder.path, 'password');
  await writeFile(passwordFile, first);
  const host = await election.host('host', {
    connectionString: undefined,
    connection: place(election),
    passwordFile,
    guard: true,
  });
  await host.next('active');
  return { host, passwordFile };
}
