import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * The worst of poolers: everybody shares one backend, and nothing is reset in between. It announces
 * a process id of its own invention, as poolers do. One client asks at a time.
 */
export async function sharedBackend(serverUrl: string) {
  const { hostname, port } = new URL(serverUrl);
  const upstream = connect(Number(port), hostname);
  const clients = new Set<Socket>();
  let asking: Socket | undefined;
  let greeting: Buffer | undefined;
  let received = Buffer.alloc(0);

  upstream.on('error', () => {});
  upstream.on('data', (chunk) => {
    if (greeting !== undefined) {
      asking?.write(chunk);
      return;
    }
    // Until the backend is ready: its authentication is the first client's, its settings are kept.
    received = Buffer.concat([received, chunk]);
    const messages = parse(received);
    if (messages.at(-1)?.at(0) !== 0x5a) {
      asking?.write(chunk);
      return;
    }
    const settings = messages.filter((message) =>
      'SZ'.includes(String.fromCharCode(message[0] ?? 0)),
    );
    greeting = Buffer.concat([authenticated, inventedKey, ...settings]);
    asking?.write(greeting);
  });

  const server = createServer((client) => {
    clients.add(client);
    client.on('error', () => {});
    let hasBegun = false;
    client.on('data', (said) => {
      asking = client;
      const isFirst = !hasBegun;
      hasBegun = true;
      if (isFirst && greeting !== undefined) client.write(greeting);
      else if (said.equals(goodbye)) client.end();
      else upstream.write(said);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(serverUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    async [Symbol.asyncDispose]() {
      for (const socket of [...clients, upstream]) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const authenticated = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]);
const inventedKey = Buffer.from([0x4b, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 1]);
const goodbye = Buffer.from([0x58, 0, 0, 0, 4]);

/** The whole messages in these bytes: a letter, a length, and the rest. */
function parse(bytes: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + 1 + bytes.readInt32BE(at + 1);
    if (end > bytes.length) break;
    messages.push(bytes.subarray(at, end));
    at = end;
  }
  return messages;
}
