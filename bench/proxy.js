/** A network that can vanish: connections stay open, and nothing passes any more. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export async function startProxy(url) {
  const target = new URL(url);
  const sockets = new Set();
  let isCut = false;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ]) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on('data', (chunk) => isCut || to.write(chunk));
      from.on('close', () => isCut || to.destroy());
      from.on('error', () => {});
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxied = new URL(url);
  proxied.port = server.address().port;
  return {
    url: proxied.href,
    cut: () => {
      isCut = true;
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
