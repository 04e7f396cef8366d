import { aMinute, duration, expect, methods } from '../core/checks.ts';
import type { SingletonLockController } from '../core/controller.ts';
import { type Names, refuseUnknown } from '../core/known.ts';
import type { LockManager } from '../core/locks/manager.ts';
import { type Logger, silentLogger } from '../core/log.ts';
import type { MetricsRegistry } from '../metrics/index.ts';
import type { DatabaseOptions } from '../postgres/connection.ts';
import { type Address, isLocal, parseAddress } from './address.ts';

/** What `serve` can be told. All of it has a default. */
export interface ServeOptions {
  /**
   * Where status, history and locks are read, and other instances are asked.
   * @default none: these answer 501
   */
  readonly database?: DatabaseOptions | undefined;
  /** Resource locks of this process, for `/metrics`. */
  readonly locks?: LockManager | undefined;
  /** `host:port`, `[address]:port` with 0 for any free port, or `unix:/path`. @default `127.0.0.1:4040` */
  readonly listen?: string | undefined;
  /**
   * What everything but health, metrics and the page itself asks for: `Authorization: Bearer …`, 16
   * characters or more. Required for an address beyond this machine.
   */
  readonly authToken?: string | undefined;
  /** Names under which requests may come, besides `localhost` and the address listened on. */
  readonly allowedHosts?: readonly string[] | undefined;
  /**
   * How long, at most, whoever is told 200 by `/leader` may act on it: so long does a planned handover
   * wait. 0 promises nothing, which is what a controller with a `guard` can: it is succeeded at once.
   * @default 2 000 ms; 0 with a guard
   */
  readonly promiseMs?: number | undefined;
  /** What `/metrics` tells. @default a registry with this controller, and `locks` */
  readonly registry?: MetricsRegistry | undefined;
  /** Beyond it the connection makes room on which nobody has waited for us for longest. @default 1 000 */
  readonly maxConnections?: number | undefined;
  /** How long a request may take to come, and a connection may say nothing. @default 10 000 ms */
  readonly headersTimeoutMs?: number | undefined;
  /** pino, or anything with its four methods. @default silence */
  readonly logger?: Logger | undefined;
}

const known: Names<ServeOptions> = {
  database: true,
  locks: true,
  listen: true,
  authToken: true,
  allowedHosts: true,
  promiseMs: true,
  registry: true,
  maxConnections: true,
  headersTimeoutMs: true,
  logger: true,
};

export interface Settled {
  readonly database: DatabaseOptions | undefined;
  readonly locks: LockManager | undefined;
  readonly address: Address;
  readonly authToken: string | undefined;
  readonly allowedHosts: readonly string[];
  readonly promiseMs: number;
  readonly registry: MetricsRegistry | undefined;
  readonly maxConnections: number;
  readonly headersTimeoutMs: number;
  readonly logger: Logger;
}

const defaults = {
  listen: '127.0.0.1:4040',
  promiseMs: 2_000,
  maxConnections: 1_000,
  headersTimeoutMs: 10_000,
} as const;

const leastToken = 16;

export function settleServe(
  { isGuarded }: SingletonLockController,
  options: ServeOptions,
): Settled {
  refuseUnknown(options, known);
  const { authToken, allowedHosts = [], maxConnections = defaults.maxConnections } = options;
  const address = parseAddress(options.listen ?? defaults.listen);
  if (authToken !== undefined) expectToken(authToken);
  expect(
    authToken !== undefined || isLocal(address),
    '`listen` to be an address of this machine only, or an `authToken` with it',
    options.listen,
  );
  const areHosts = Array.isArray(allowedHosts) && allowedHosts.every(isHost);
  expect(areHosts, '`allowedHosts` to be host names, without port', `${allowedHosts}`);
  const isCount = Number.isInteger(maxConnections) && maxConnections >= 1;
  expect(isCount, '`maxConnections` to be a whole number of at least 1', maxConnections);
  const promiseMs = options.promiseMs ?? (isGuarded ? 0 : defaults.promiseMs);
  expect(
    !isGuarded || promiseMs === 0,
    '`promiseMs` to be 0 where the controller has a `guard`',
    promiseMs,
    'Its successor does not wait for what was promised.',
  );
  return {
    database: options.database,
    locks: options.locks,
    address,
    authToken,
    allowedHosts,
    promiseMs: duration('promiseMs', promiseMs, 0, aMinute),
    registry: options.registry,
    maxConnections,
    headersTimeoutMs: duration(
      'headersTimeoutMs',
      options.headersTimeoutMs ?? defaults.headersTimeoutMs,
      100,
      { ms: 30_000, inWords: '30 s' }, // a whole request may take no longer
    ),
    logger: methods('logger', options.logger ?? silentLogger, ['debug', 'info', 'warn', 'error']),
  };
}

const isHost = (host: unknown): boolean =>
  typeof host === 'string' && /^([a-z0-9._-]+|\[[0-9a-f:.]+\])$/i.test(host);

/** As RFC 6750 has it. It is shown to nobody, neither is what was meant to be one. */
function expectToken(token: string): void {
  const isToken = typeof token === 'string' && /^[\w.~+/-]+=*$/.test(token);
  expect(
    isToken && token.length >= leastToken,
    `\`authToken\` to be ${leastToken} or more letters, digits and any of - . _ ~ + /`,
    isToken ? `${token.length}` : 'something else',
    'openssl rand -hex 32 makes one.',
  );
}
