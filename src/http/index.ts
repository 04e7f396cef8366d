/**
 * `lockd/http`: a controller with an HTTP face, for hosts in any language, probes, people and Prometheus.
 *
 *     const controller = new SingletonLockController({ name: 'telegram-bot', connectionString });
 *     await using served = await serve(controller, { database: { connectionString } });
 *     await controller.start();
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Registry } from 'prom-client';
import type { SingletonLockController } from '../core/controller.ts';
import { messageOf } from '../core/errors.ts';
import { withFields } from '../core/log.ts';
import { type MetricsRegistry, observeController, observeLocks } from '../metrics/index.ts';
import { hostCheck, urlOf } from './address.ts';
import { appOf } from './app.ts';
import { Behind } from './behind.ts';
import { Connections } from './connections.ts';
import { listen } from './listening.ts';
import { News } from './news.ts';
import { type ServeOptions, type Settled, settleServe } from './options.ts';
import { Promises } from './promises.ts';

export type { ServeOptions } from './options.ts';
export type {
  HandoffQuestion,
  HealthAnswer,
  HistoryAnswer,
  LeaderAnswer,
  LocksAnswer,
  Picture,
  ResignQuestion,
  StatusAnswer,
  Transition,
} from './wire.ts';

export interface Served extends AsyncDisposable {
  /** `http://127.0.0.1:4040`, or `unix:/run/lockd.sock`. */
  readonly url: string;
  /** Ends every connection, after a moment for answers that are on their way. May be called twice. */
  close(): Promise<void>;
}

const maxHeaderBytes = 16 * 1024;
const unreadMs = 30_000;
const keepAliveMs = 5_000;

/** How often connections are looked at that say nothing. */
const checkEveryMs = 5_000;

/** For answers that are on their way when it closes. */
const farewellMs = 1_000;

/**
 * Serves what this controller is, and what the database knows; starts and stops the controller not. For
 * a promise of `GET /leader` the seat is kept, as for work in flight, until it has run out.
 */
export async function serve(
  controller: SingletonLockController,
  options: ServeOptions = {},
): Promise<Served> {
  const settled = settleServe(controller, options);
  const logger = withFields(settled.logger, { name: controller.name });
  const behind = settled.database && new Behind(settled.database);
  const news = new News(controller, behind);
  const metrics = metricsOf(controller, settled);
  const release = async (): Promise<void> => {
    metrics.end();
    await news.close();
    await behind?.close();
  };
  const app = appOf({
    controller,
    behind,
    news,
    logger,
    promises: new Promises(controller, settled.promiseMs),
    registry: metrics.registry,
    authToken: settled.authToken,
    isAllowedHost: hostCheck(settled.address, settled.allowedHosts),
  });
  const server = serverOf(settled.headersTimeoutMs);
  const connections = new Connections(
    server,
    { most: settled.maxConnections, unreadMs },
    getRequestListener(app.fetch, { overrideGlobalObjects: false }), // they are the host's
  );
  const address = await listen(server, settled.address).catch(async (error: unknown) => {
    await release();
    throw error;
  });
  // Such as no descriptor left for one who comes: the next one may have it.
  server.on('error', (error) =>
    logger.warn({ reason: messageOf(error) }, 'could not take a connection'),
  );
  const url = urlOf(address);
  logger.info({ url }, 'serving');
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= end(server, connections, release);
    return closed;
  };
  return { url, close, [Symbol.asyncDispose]: close };
}

/** The body of a request is in time when its head would have been. */
function serverOf(headersTimeoutMs: number): Server {
  return createServer({
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: headersTimeoutMs,
    requestTimeout: headersTimeoutMs,
    connectionsCheckingInterval: Math.min(headersTimeoutMs / 2, checkEveryMs),
    keepAliveTimeout: keepAliveMs,
  });
}

/** The host's registry has what the host observes there. */
function metricsOf(
  controller: SingletonLockController,
  { registry, locks }: Settled,
): { readonly registry: MetricsRegistry; end(): void } {
  if (registry !== undefined) return { registry, end: () => {} };
  const own = new Registry();
  const observed = [
    observeController(controller, { registry: own }),
    ...(locks === undefined ? [] : [observeLocks(locks, { registry: own })]),
  ];
  const end = (): void => {
    for (const one of observed) one[Symbol.dispose]();
  };
  return { registry: own, end };
}

/** Nobody new, nobody who only listens or says nothing, and then those whose answer is on its way. */
async function end(
  server: Server,
  connections: Connections,
  release: () => Promise<void>,
): Promise<void> {
  const isClosed = once(server, 'close');
  server.close();
  const released = release();
  connections.close();
  const timer = setTimeout(() => server.closeAllConnections(), farewellMs);
  await isClosed;
  clearTimeout(timer);
  await released;
}
