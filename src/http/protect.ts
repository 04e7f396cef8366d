/** Who may ask what: names, tokens and pages of others are refused before anything is done. */
import { createHash } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import type { Context, MiddlewareHandler } from 'hono';
import { bearerAuth } from 'hono/bearer-auth';
import { bodyLimit } from 'hono/body-limit';
import { createMiddleware } from 'hono/factory';
import { secureHeaders } from 'hono/secure-headers';

export type Env = { Bindings: HttpBindings };

export type Status =
  | 200
  | 202
  | 400
  | 401
  | 403
  | 404
  | 409
  | 411
  | 413
  | 415
  | 421
  | 500
  | 501
  | 503
  | 504;

export const refusal = (
  context: Context,
  status: Status,
  code: string,
  message: string,
): Response => context.json(told(code, message), status);

interface Refused {
  readonly error: { readonly code: string; readonly message: string };
}

const told = (code: string, message: string): Refused => ({ error: { code, message } });

/** What no page may do with our answers, and our own page not either. */
export const securityHeaders: MiddlewareHandler = secureHeaders({
  strictTransportSecurity: false, // what listens here speaks plain HTTP
  xFrameOptions: 'DENY',
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    connectSrc: ["'self'"],
    imgSrc: ["'self'", 'data:'],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
});

/** What is true now, and what needs a token, is nobody's to keep. */
export const unstored: MiddlewareHandler = createMiddleware(async (context, next) => {
  await next();
  context.header('cache-control', 'no-store');
});

export const unserved = (context: Context): Response =>
  refusal(context, 501, 'NO_DATABASE', 'There is no `database` to ask: `serve` was given none.');

export const knownHost = (
  isAllowed: (host: string | undefined) => boolean,
): MiddlewareHandler<Env> =>
  createMiddleware<Env>(async (context, next) => {
    if (isAllowed(context.env.incoming.headers.host)) return next();
    return refusal(
      context,
      421,
      'HOST_NOT_ALLOWED',
      'This name is not one that is served here: see --allowed-host, or `allowedHosts`.',
    );
  });

/** Compared in constant time; by a hash that is made at once, because the answer is awaited. */
export const knownToken = (token: string): MiddlewareHandler =>
  bearerAuth({
    token,
    realm: 'lockd',
    hashFunction: (text: string) => createHash('sha256').update(text).digest('hex'),
    noAuthenticationHeader: {
      message: told('TOKEN_MISSING', 'Expected `Authorization: Bearer` and the token.'),
    },
    invalidAuthenticationHeader: {
      message: told('TOKEN_INVALID', 'Expected `Authorization: Bearer` and the token.'),
    },
    invalidToken: { message: told('TOKEN_INVALID', 'The token is another one.') },
  });

const mostBody = 16 * 1024;

const limit = bodyLimit({
  maxSize: mostBody,
  onError: (context) =>
    refusal(context, 413, 'BODY_TOO_LARGE', `Expected at most ${mostBody} bytes.`),
});

/**
 * What changes something is asked for by our own page, or by no page at all: another one's browser says
 * so, and without our leave, which nobody gets, it does not send JSON.
 */
export const ownChange: MiddlewareHandler<Env> = createMiddleware<Env>(async (context, next) => {
  const { req } = context;
  const site = req.header('sec-fetch-site');
  const origin = req.header('origin');
  const isOwnSite = site === undefined || site === 'same-origin' || site === 'none';
  const isOwnOrigin = origin === undefined || hostOf(origin) === context.env.incoming.headers.host;
  if (!isOwnSite || !isOwnOrigin) {
    return refusal(context, 403, 'CROSS_SITE', 'This is not for pages of other sites.');
  }
  if (!/^application\/json\s*(;|$)/i.test(req.header('content-type') ?? '')) {
    return refusal(context, 415, 'NOT_JSON', 'Expected `content-type: application/json`.');
  }
  if (req.header('transfer-encoding') !== undefined) {
    return refusal(context, 411, 'NO_LENGTH', 'Expected a `content-length`.');
  }
  return limit(context, next);
});

/** Its scheme is not compared: a proxy in front may speak TLS. */
const hostOf = (origin: string): string | undefined =>
  URL.canParse(origin) ? new URL(origin).host : undefined;
