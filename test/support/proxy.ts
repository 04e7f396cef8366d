import { once } from 'node:events';
import { createServer, type NetConnectOpts, type Server } from 'node:net';
import { freePort } from '../../src/embedded/port.ts';
import { type Direction, type Directions, each, ProxiedConnection } from './proxy-connection.ts';
import { Hold } from './proxy-lane.ts';
import { until } from './wait.ts';

export type { Direction, Directions, ProxiedConnection } from './proxy-connection.ts';
export type { Hold } from './proxy-lane.ts';

/** A proxy on 127.0.0.1 to the server of this database URL, over TCP or a unix socket. */
export async function startProxy(databaseUrl: string): Promise<FaultProxy> {
  const proxy = new FaultProxy(databaseUrl, await freePort());
  await proxy.accept();
  return proxy;
}

/**
 * A network that misbehaves on command. What is said to the proxy holds for all connections,
 * those to come included; what is said to a connection holds for that one.
 */
export class FaultProxy implements AsyncDisposable {
  readonly port: number;
  /** In order of arrival, closed ones included. */
  readonly connections: ProxiedConnection[] = [];
  readonly #blackhole = new Set<Direction>();
  readonly #holds: { direction: Direction; hold: Hold }[] = [];
  #databaseUrl: string;
  #delayMs = 0;
  #server: Server | undefined;

  constructor(databaseUrl: string, port: number) {
    this.#databaseUrl = databaseUrl;
    this.port = port;
  }

  /** The same database through the proxy. */
  url(databaseUrl: string = this.#databaseUrl): string {
    const url = new URL(databaseUrl);
    url.host = `127.0.0.1:${this.port}`;
    for (const parameter of ['host', 'port']) url.searchParams.delete(parameter);
    return url.href;
  }

  /** Where connections that come from now on are led to. */
  pointAt(databaseUrl: string): void {
    this.#databaseUrl = databaseUrl;
  }

  /** The connection with this index, as soon as it has come. */
  connection(index: number, timeoutMs?: number): Promise<ProxiedConnection> {
    return until(() => this.connections[index], {
      describe: `connection ${index} has come`,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
  }

  /** The latest open connection of the client that goes by this application name. */
  named(applicationName: string, timeoutMs?: number): Promise<ProxiedConnection> {
    const isIt = (candidate: ProxiedConnection) =>
      candidate.isOpen && candidate.applicationName === applicationName;
    return until(() => this.connections.findLast(isIt), {
      describe: `a connection of ${applicationName} has come`,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
  }

  /** Passed on so far, over all connections. */
  get bytes(): { readonly toServer: number; readonly toClient: number } {
    return this.connections.reduce(
      (sum, { bytes }) => ({
        toServer: sum.toServer + bytes.toServer,
        toClient: sum.toClient + bytes.toClient,
      }),
      { toServer: 0, toClient: 0 },
    );
  }

  blackhole(directions: Directions = 'both'): void {
    for (const direction of each(directions)) this.#blackhole.add(direction);
    for (const connection of this.connections) connection.blackhole(directions);
  }

  heal(): void {
    this.#blackhole.clear();
    this.#delayMs = 0;
    for (const connection of this.connections) connection.heal();
  }

  delay(delayMs: number): void {
    this.#delayMs = delayMs;
    for (const connection of this.connections) connection.delay(delayMs);
  }

  /** Holds back the next chunk (that matches) of whichever connection sends it first. */
  hold(direction: Direction, matches: (chunk: Buffer) => boolean = () => true): Hold {
    const hold = new Hold(matches);
    this.#holds.push({ direction, hold });
    for (const connection of this.connections) connection.holdWith(direction, hold);
    return hold;
  }

  resetServerSide(): void {
    for (const connection of this.connections) connection.resetServerSide();
  }

  resetClientSide(): void {
    for (const connection of this.connections) connection.resetClientSide();
  }

  cut(): void {
    for (const connection of this.connections) connection.cut();
  }

  /** New clients get ECONNREFUSED; those that are connected stay so. */
  async refuse(): Promise<void> {
    // Its 'close' event would wait for the connections, and the port is free without them.
    this.#server?.close();
    this.#server = undefined;
  }

  async accept(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer({ allowHalfOpen: true }, (client) => {
      const weather = { blackhole: this.#blackhole, delayMs: this.#delayMs, holds: this.#holds };
      this.connections.push(new ProxiedConnection(client, this.#target(), weather));
    });
    this.#server = server;
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.refuse();
    this.cut();
    await Promise.all(this.connections.map((connection) => connection.closed));
  }

  #target(): NetConnectOpts {
    const { hostname, port, searchParams } = new URL(this.#databaseUrl);
    const host = searchParams.get('host') ?? decodeURIComponent(hostname);
    const at = Number(searchParams.get('port') || port || 5432);
    if (host.startsWith('/')) return { path: `${host}/.s.PGSQL.${at}` };
    return { host: host.replace(/^\[(.+)\]$/, '$1'), port: at, noDelay: true };
  }
}
