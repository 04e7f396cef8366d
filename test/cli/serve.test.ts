import { writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { ExitCode } from '../../src/cli/exit-codes.ts';
import { ask, Listening, Raw } from '../http/asking.ts';
import { lockd, unnamed } from '../support/cli.ts';
import { type Election, holdElection } from '../support/election.ts';
import { temporaryFolder } from '../support/folder.ts';
import { startCli, type TestProcess } from '../support/processes.ts';
import { startProxy } from '../support/proxy.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

interface Sidecar {
  readonly child: TestProcess;
  readonly url: string;
}

async function start(
  election: Election,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Sidecar> {
  const child = startCli(['serve', election.name, '--listen', '127.0.0.1:0', ...args], {
    env: { ...unnamed(), DATABASE_URL: election.url, LOCKD_TTL: '3s', ...env },
  });
  const { url } = JSON.parse(await child.line(/"serving"/, 20_000));
  return { child, url };
}

const leads = ({ url }: Sidecar) =>
  until(async () => {
    const answer = await ask(url, '/leader');
    return answer.status === 200 && answer;
  });

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`on ${signal} it stops leading, ends what listens, and exits with 0`, async () => {
    await using election = await holdElection();
    const sidecar = await start(election, ['--label', 'sidecar', '--promise', '300ms']);
    await using child = sidecar.child;
    expect((await leads(sidecar)).body).toMatchObject({ name: 'led', label: 'sidecar' });
    await using listening = new Listening(sidecar.url);
    await listening.picture();
    const idle = new Raw(sidecar.url);
    const kept = new Raw(sidecar.url, 'GET /leader HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await until(() => kept.text.includes('validForMs'));
    child.signal(signal);
    await listening.transition('passive');
    expect(await child.closed).toEqual({ code: ExitCode.ok, signal: null });
    expect(listening.heard.map(({ data }) => data.is)).toContain('stopped');
    await Promise.all([idle.closed(), kept.closed()]);
    expect(await election.terms()).toMatchObject([{ ended_by: 'release', reason: 'stopped' }]);
  });
}

test('nobody testifies that it has died: whoever comes next waits for as long as hosts may act', async () => {
  await using election = await holdElection({ ttlMs: 3_000 });
  const sidecar = await start(election);
  await using child = sidecar.child;
  await leads(sidecar);
  const next = await election.standBy('next');
  await election.beats(1); // its lease is as good as new
  const { body } = await ask(sidecar.url, '/leader');
  const asked = now();
  child.signal('SIGKILL');
  const active = await next.story.next('active');
  expect(active.at).toBeGreaterThan(asked + body.validForMs);
  expect((await election.terms())[0]).toMatchObject({ ended_by: 'takeover' });
});

test('it serves before there is a database, and leads when there is one', async () => {
  await using election = await holdElection();
  await using proxy = await startProxy(election.url);
  await proxy.refuse();
  const sidecar = await start(election, [], { DATABASE_URL: proxy.url() });
  await using child = sidecar.child;
  expect((await ask(sidecar.url, '/healthz')).status).toBe(200);
  expect((await ask(sidecar.url, '/readyz')).status).toBe(503);
  await proxy.accept();
  await leads(sidecar);
  expect((await ask(sidecar.url, '/readyz')).status).toBe(200);
  await proxy.refuse();
  proxy.cut();
  child.signal('SIGTERM');
  expect(await child.closed).toMatchObject({ code: ExitCode.ok });
});

test('one that observes is ready, and never leads', async () => {
  await using election = await holdElection();
  const sidecar = await start(election, ['--observe']);
  await using child = sidecar.child;
  await until(async () => (await ask(sidecar.url, '/readyz')).status === 200);
  expect((await ask(sidecar.url, '/leader')).status).toBe(503);
  child.signal('SIGTERM');
  expect(await child.closed).toMatchObject({ code: ExitCode.ok });
});

test('beyond this machine it needs a token, from a file or a variable', async () => {
  await using election = await holdElection();
  await using folder = await temporaryFolder();
  const file = `${folder.path}/token`;
  await writeFile(file, 'correct-horse-battery-staple\n');
  const open = ['--listen', '0.0.0.0:0', '--auth-token-file', file];
  const sidecar = await start(election, open);
  await using child = sidecar.child;
  const url = sidecar.url.replace('0.0.0.0', '127.0.0.1');
  expect((await ask(url, '/status')).status).toBe(401);
  const headers = { authorization: 'Bearer correct-horse-battery-staple' };
  expect((await ask(url, '/status', { headers })).status).toBe(200);
  child.signal('SIGTERM');
  await child.closed;
  expect(child.stderr.join('\n')).not.toContain('battery');
});

test('what does not fit is said in one line, before anybody campaigns', async () => {
  await using election = await holdElection();
  const sidecar = await start(election);
  await using child = sidecar.child;
  await leads(sidecar);
  const listen = new URL(sidecar.url).host;
  const secret = 'correct-horse-battery-staple';
  const refused: [args: string[], env: Record<string, string>, message: string][] = [
    [
      ['--listen', listen],
      {},
      `lockd: Expected \`--listen\` to be an address that is free, got ${sidecar.url}. Somebody listens there already: stop it, or choose another address.`,
    ],
    [
      ['--listen', '0.0.0.0:0'],
      {},
      'lockd: Expected `--listen` to be an address of this machine only',
    ],
    [[], { LOCKD_LISTEN: '4040' }, 'lockd: Expected `LOCKD_LISTEN` to be `host:port`'],
    [['--auth-token', secret], {}, 'lockd: Anybody on this machine can read a command line'],
    [
      ['--auth-token-file', '/nowhere'],
      {},
      'lockd: Expected --auth-token-file to be readable: ENOENT',
    ],
    [[], { LOCKD_AUTH_TOKEN: 'short' }, 'lockd: Expected `LOCKD_AUTH_TOKEN` to be 16 or more'],
    [['--allowed-host', 'a,http://b'], {}, 'lockd: Expected `allowedHosts` to be host names'],
    [['--promise', 'soon'], {}, "argument 'soon' is invalid"],
  ];
  const tried = refused.map(async ([args, env, message]) => {
    const all = { DATABASE_URL: election.url, LOCKD_LISTEN: '127.0.0.1:0', ...env };
    const { code, stdout, stderr } = await lockd(['serve', 'other', ...args], all);
    expect({ code, stdout }, stderr).toEqual({ code: ExitCode.usage, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).not.toContain(secret);
  });
  await Promise.all(tried);
  child.signal('SIGTERM');
  expect(await child.closed).toMatchObject({ code: ExitCode.ok });
});
