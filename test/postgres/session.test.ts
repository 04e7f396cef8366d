import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, describe, expect, inject, test, vi } from 'vitest';
import { SingletonLockController } from '../../src/index.ts';
import { hostsOf } from '../../src/postgres/hosts.ts';
import { Session, type SessionSettings } from '../../src/postgres/session.ts';
import { query } from '../support/database.ts';
import { expectNoSessions } from '../support/leaks.ts';
import { until } from '../support/wait.ts';

const password = 'hunter2-s3cr3t';

const servers: { server: Server; sockets: Set<Socket> }[] = [];

afterEach(async () => {
  for (const { server, sockets } of servers.splice(0)) {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  }
});

/** Something that listens, hears what a client says first, and does with it what a test wants. */
async function listener(answer: (socket: Socket, said: Buffer) => void = () => {}) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', (said) => answer(socket, said));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push({ server, sockets });
  const { port } = server.address() as AddressInfo;
  return { sockets, url: `postgres://user:${password}@127.0.0.1:${port}/db` };
}

const settings = (changes: Partial<SessionSettings> = {}): SessionSettings => ({
  hosts: hostsOf({ connectionString: inject('databaseUrl') }),
  applicationName: 'lockd:test',
  timeoutMs: 5_000,
  ...changes,
});

/** What a session says of itself when it begins: pairs of text after length and version. */
async function startup(applicationName: string): Promise<Record<string, string>> {
  const said: Buffer[] = [];
  const { url } = await listener((socket, first) => {
    said.push(first);
    socket.destroy();
  });
  await Session.open(
    settings({ hosts: hostsOf({ connectionString: url }), applicationName }),
  ).catch(() => {});
  const words = (said[0] as Buffer).subarray(8).toString('utf8').split('\0');
  return Object.fromEntries(
    words.flatMap((word, index) => (index % 2 === 0 ? [[word, words[index + 1] ?? '']] : [])),
  );
}

describe('the application name', () => {
  test.each([
    ['short enough', 'lockd:bot:host:1', 'lockd:bot:host:1'],
    ['63 bytes', 'x'.repeat(63), 'x'.repeat(63)],
    ['64 bytes', 'x'.repeat(64), 'x'.repeat(63)],
    ['two bytes a character', 'é'.repeat(40), 'é'.repeat(31)],
    ['three bytes a character', '語'.repeat(40), '語'.repeat(21)],
    ['four bytes a character', `x${'😀'.repeat(40)}`, `x${'😀'.repeat(15)}`],
  ])('that is %s ends within 63 bytes, on a character', async (_, name, expected) => {
    expect((await startup(name))['application_name']).toBe(expected);
  });
});

describe('a session', () => {
  test('says which statement the server warned of', async () => {
    const session = await Session.open(settings());
    const warn = "do $$ begin raise warning 'careful'; raise notice 'not this'; end $$";
    expect((await session.query(warn)).warnings).toEqual(['careful']);
    expect((await session.query('select 1 as one')).warnings).toEqual([]);
    await session.close();
  });

  test('that the server ends is told as lost, once, however often it is reported', async () => {
    const lost = vi.fn();
    const session = await Session.open(settings({ lost, applicationName: 'lockd:doomed' }));
    await query(inject('databaseUrl'), 'select pg_terminate_backend($1)', [
      session.announcedBackend,
    ]);
    await until(() => lost.mock.calls.length > 0);
    await expect(session.query('select')).rejects.toMatchObject({ code: 'LOCKD_CONNECTION' });
    session.destroy();
    expect(lost).toHaveBeenCalledTimes(1);
    expect(lost.mock.calls[0]?.[0]).toMatchObject({ code: 'LOCKD_CONNECTION', isRetryable: true });
  });

  test('that is destroyed or closed is not told as lost', async () => {
    const lost = vi.fn();
    const [one, two] = await Promise.all([1, 2].map(() => Session.open(settings({ lost }))));
    one?.destroy();
    one?.destroy();
    await two?.close();
    await two?.close();
    await expectNoSessions(inject('databaseUrl'), 'lockd:test');
    expect(lost).not.toHaveBeenCalled();
  });

  test('cuts the connection when a bounded question is not answered in time', async () => {
    const lost = vi.fn();
    const session = await Session.open(settings({ lost, timeoutMs: 200 }));
    const asked = session.bounded('select pg_sleep(1)');
    await expect(asked).rejects.toMatchObject({ code: 'LOCKD_TIMEOUT', isRetryable: true });
    expect(lost.mock.calls).toMatchObject([[{ code: 'LOCKD_TIMEOUT' }]]);
  });

  test('that cannot be made in time is given up, and its socket is closed', async () => {
    const { url, sockets } = await listener();
    const opening = Session.open(
      settings({ hosts: hostsOf({ connectionString: url }), timeoutMs: 100 }),
    );
    await expect(opening).rejects.toMatchObject({ code: 'LOCKD_CONNECTION', isRetryable: true });
    await until(() => [...sockets].every(({ readyState }) => readyState !== 'open'));
  });

  test('that is being made can be cut short', async () => {
    const { url, sockets } = await listener();
    const abort = new AbortController();
    const hosts = hostsOf({ connectionString: url });
    const opening = Session.open(settings({ hosts, signal: abort.signal }));
    const failed = expect(opening).rejects.toThrow();
    await until(() => sockets.size === 1);
    abort.abort();
    await failed;
    await expect(Session.open(settings({ signal: abort.signal }))).rejects.toThrow('abort');
  });
});

test('a session that nobody wants any more is not looked for on the other hosts', async () => {
  const [silent, other] = [await listener(), await listener()];
  const ports = [silent, other].map(({ url }) => new URL(url).port);
  const address = `postgres://user@127.0.0.1:${ports[0]},127.0.0.1:${ports[1]}/db`;
  const hosts = hostsOf({ connectionString: address });
  const abort = new AbortController();
  const opening = Session.open(settings({ hosts, signal: abort.signal }));
  const failed = expect(opening).rejects.toThrow();
  await until(() => silent.sockets.size === 1);
  abort.abort();
  await failed;
  expect(other.sockets.size).toBe(0);
  expect(hosts.found).toBe(hosts.all[0]);
});

describe('a password', () => {
  const refuse = (socket: Socket): void => {
    const text = 'SFATAL\0C28P01\0Mpassword authentication failed for user "user"\0\0';
    const length = Buffer.alloc(4);
    length.writeInt32BE(4 + text.length);
    socket.end(Buffer.concat([Buffer.from('E'), length, Buffer.from(text)]));
  };

  const addresses: [string, () => Promise<string>][] = [
    ['refuses it', async () => (await listener(refuse)).url],
    ['hangs up', async () => (await listener((socket) => socket.destroy())).url],
    ['talks nonsense', async () => (await listener((socket) => socket.end('HTTP/1.1 400'))).url],
    ['is not there', async () => `postgres://user:${password}@127.0.0.1:1/db`],
    ['has no such name', async () => `postgres://user:${password}@nowhere.invalid/db`],
    ['cannot be read', async () => `postgres://user:${password}@host:port/db`],
  ];

  test.each(addresses)(
    'is in no error, warning or log line when the address %s',
    async (_, make) => {
      const connectionString = await make();
      const told: unknown[] = [];
      const tell = (...line: unknown[]): void => void told.push(line);
      const logger = { debug: tell, info: tell, warn: tell, error: tell };
      const options = { name: 'bot', connectionString, logger, connectTimeoutMs: 500 };
      try {
        const controller = new SingletonLockController(options);
        controller.on('warning', tell);
        await controller.start().catch(tell);
        await controller.stop();
      } catch (error) {
        tell(error);
      }
      expect(told.length).toBeGreaterThan(0);
      const text = inspect(told, { depth: 12, showHidden: true }) + JSON.stringify(told);
      expect(text).not.toContain(password);
    },
  );

  test('in an address that cannot be read is not retried: no waiting will heal it', async () => {
    const connectionString = `postgres://user:${password}@host:port/db`;
    const start = async () => {
      const controller = new SingletonLockController({ name: 'bot', connectionString });
      try {
        await controller.start();
      } finally {
        await controller.stop();
      }
    };
    await expect(start()).rejects.toMatchObject({ isRetryable: false });
  });
});

test('a certificate’s file that cannot be read is named', () => {
  const address = 'postgres://user@host/db?sslmode=verify-full&sslrootcert=/nowhere/ca.pem';
  const enter = () => new SingletonLockController({ name: 'bot', connectionString: address });
  expect(enter).toThrow(expect.objectContaining({ code: 'LOCKD_INVALID_OPTION' }));
  expect(enter).toThrow(/ENOENT for \/nowhere\/ca\.pem/);
});

test.skipIf(process.platform !== 'linux')(
  'a connection that was cut in silence is noticed: the kernel asks after seconds, not after hours',
  async () => {
    const { url, sockets } = await listener();
    const giveUp = new AbortController();
    const hosts = hostsOf({ connectionString: url });
    const opening = Session.open(settings({ hosts, signal: giveUp.signal }));
    await until(() => sockets.size === 1);
    const [accepted] = sockets;
    await until(() => keepAliveOf(accepted?.remotePort ?? 0) !== undefined);
    expect(keepAliveOf(accepted?.remotePort ?? 0)).toBeLessThanOrEqual(5);
    giveUp.abort();
    await expect(opening).rejects.toThrow();
  },
);

/** In how many seconds the kernel will probe the connection that leaves from this port. */
function keepAliveOf(port: number): number | undefined {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = readFileSync('/proc/net/tcp', 'utf8').split('\n');
  const fields = lines.map((line) => line.trim().split(/\s+/)).find(([, from]) => from === local);
  const [timer, jiffies = ''] = fields?.[5]?.split(':') ?? [];
  return timer === '02' ? Number.parseInt(jiffies, 16) / 100 : undefined;
}
