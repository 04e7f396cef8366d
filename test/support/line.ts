import { dial, type Listener, listen, type Peer } from './peers.ts';
import { type FaultProxy, type ProxiedConnection, startProxy } from './proxy.ts';

export interface Line extends AsyncDisposable {
  readonly listener: Listener;
  readonly proxy: FaultProxy;
  readonly client: Peer;
  readonly server: Peer;
  readonly connection: ProxiedConnection;
  /** On a connection of its own: by then, what was to happen on the first one would have. */
  roundTripElsewhere(): Promise<void>;
}

/** A client, a proxy and a server, connected. */
export async function connectedLine(): Promise<Line> {
  const listener = await listen();
  const proxy = await startProxy(listener.url);
  const client = await dial(proxy.url());
  const server = await listener.next();
  const connection = await proxy.connection(0);
  return {
    listener,
    proxy,
    client,
    server,
    connection,
    async roundTripElsewhere() {
      const near = await dial(proxy.url());
      near.say('ping');
      const far = await listener.next();
      await far.hears('ping');
      far.say('pong');
      await near.hears('pong');
      near.socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      client.socket.destroy();
      await listener[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}
