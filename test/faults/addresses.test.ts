import dns from 'node:dns';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { holdElection } from '../support/election.ts';
import { now } from '../support/story.ts';
import { until } from '../support/wait.ts';

// Only Linux has all of 127/8 without being asked.
const onLinux = test.skipIf(process.platform !== 'linux');
const name = 'database.test';

afterEach(() => vi.restoreAllMocks());

onLinux('a name whose first address is dead is led by the next one', async () => {
  await using election = await holdElection();
  resolving(() => ['127.0.0.2', '127.0.0.1']);
  const { story } = await election.lead('only', { connectionString: by(name, election.url) });
  expect(story.of('warning')).toEqual([]);
});

onLinux('a name that moves is followed: each session asks for it anew', async () => {
  await using election = await holdElection();
  await using old = await relay('127.0.0.2', election.url);
  let address = '127.0.0.2';
  const asked = resolving(() => [address]);
  const { controller, story } = await election.lead('only', {
    connectionString: by(name, election.url),
  });
  await election.bothBackends('only');
  expect(old.count()).toBeGreaterThanOrEqual(2);
  const askedBefore = asked();
  await old[Symbol.asyncDispose]();
  expect(await story.next('passive')).toMatchObject({ reason: 'session-lost' });
  await story.next('warning'); // nobody answers there any more
  expect(controller.isActive()).toBe(false);
  address = '127.0.0.1';
  await story.next('active');
  expect(asked()).toBeGreaterThan(askedBefore);
});

onLinux(
  'a name that no resolver answers holds nobody up: start() settles, and so does stop()',
  async () => {
    await using election = await holdElection({ connectTimeoutMs: 300 });
    let isAnswered = false;
    resolving(() => (isAnswered ? ['127.0.0.1'] : undefined));
    const { controller, story } = election.enter('only', {
      connectionString: by(name, election.url),
    });
    await controller.start();
    expect(controller.state).toBe('passive');
    await until(() => story.logged('could not campaign').length >= 2);
    isAnswered = true;
    await story.next('active');
    isAnswered = false;
    const before = now();
    await controller.stop();
    expect(now() - before).toBeLessThan(3_000);
  },
);

/** The resolver of this process answers for `name` what it is told; undefined: never. */
function resolving(addresses: () => readonly string[] | undefined): () => number {
  let asked = 0;
  const real = dns.lookup;
  // biome-ignore lint/suspicious/noExplicitAny: it has many signatures, and `net` uses one
  vi.spyOn(dns, 'lookup').mockImplementation(((host: string, options: any, answer: any) => {
    if (host !== name) return real(host, options, answer);
    asked += 1;
    const found = addresses()?.map((address) => ({ address, family: 4 }));
    if (found === undefined) return;
    setImmediate(() =>
      options.all ? answer(null, found) : answer(null, found[0]?.address, found[0]?.family),
    );
  }) as typeof dns.lookup);
  return () => asked;
}

function by(host: string, url: string): string {
  const address = new URL(url);
  address.hostname = host;
  return address.href;
}

/** The same server at another address of this machine. */
async function relay(host: string, url: string): Promise<AsyncDisposable & { count(): number }> {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  let count = 0;
  const server: Server = createServer((client) => {
    count += 1;
    const behind = connect(Number(port), hostname);
    for (const socket of [client, behind]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    }
    client.pipe(behind).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(Number(port), host, resolve));
  return {
    count: () => count,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await until(() => sockets.size === 0);
    },
  };
}
