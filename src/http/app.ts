/** Which question has which answer, and what stands before it. */
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { SingletonLockController } from '../core/controller.ts';
import { isLockdError, type LockdErrorCode, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { MetricsRegistry } from '../metrics/index.ts';
import { healthAnswer, leaderAnswer, readyAnswer, type Told } from './answers.ts';
import type { Behind } from './behind.ts';
import { addChanges } from './changes.ts';
import { dashboardParts } from './dashboard/parts.ts';
import type { News } from './news.ts';
import type { Promises } from './promises.ts';
import {
  type Env,
  knownHost,
  knownToken,
  refusal,
  securityHeaders,
  unserved,
  unstored,
} from './protect.ts';
import { addQuestions } from './questions.ts';
import { sharedFor } from './shared.ts';

export interface Parts {
  readonly controller: SingletonLockController;
  readonly behind: Behind | undefined;
  readonly promises: Promises;
  readonly news: News;
  readonly registry: MetricsRegistry;
  readonly authToken: string | undefined;
  readonly isAllowedHost: (host: string | undefined) => boolean;
  readonly logger: Logger;
}

/** Nobody scrapes more often, and to collect holds everything else up. */
const metricsKeptMs = 250;

export function appOf(parts: Parts): Hono<Env> {
  const { controller, behind, promises, news, registry, logger } = parts;
  const app = new Hono<Env>();
  app.onError((error, context) => refusalOf(error, context, logger));
  app.notFound((context) => {
    const { method, path } = context.req;
    return refusal(context, 404, 'NOT_FOUND', `There is no ${method} ${path} here.`);
  });
  const host = knownHost(parts.isAllowedHost);
  const token = parts.authToken === undefined ? [] : [knownToken(parts.authToken)];

  // Probes know neither our names nor the token, and are answered however much is asked besides.
  app.get('/healthz', (context) => write(context, healthAnswer(controller)));
  app.get('/readyz', (context) => write(context, readyAnswer(controller)));
  for (const guard of [host, ...token]) app.use('/leader', guard);
  app.get('/leader', (context) => write(context, leaderAnswer(controller, promises)));

  app.use(securityHeaders);
  const metrics = sharedFor(metricsKeptMs, () => registry.metrics());
  app.get('/metrics', unstored, async (context) =>
    context.body(await metrics(), 200, { 'content-type': registry.contentType }),
  );
  app.use(host);
  // The page is the same for everybody: it asks for the token, and for everything else with it.
  for (const [path, { type, body }] of Object.entries(dashboardParts)) {
    app.get(path, (context) =>
      context.body(body, 200, { 'content-type': type, 'cache-control': 'no-cache' }),
    );
  }
  for (const guard of [...token, unstored]) app.use(guard);
  app.get('/events', (context) => {
    if (news.isFull) return refusal(context, 503, 'BUSY', 'Too many listen already.');
    if (context.req.method === 'HEAD') return context.body(null);
    news.listen(context.env.outgoing, context.req.header('last-event-id') || undefined);
    return RESPONSE_ALREADY_SENT;
  });
  if (behind !== undefined) addQuestions(app, controller, behind);
  else for (const path of ['/status', '/history', '/locks']) app.get(path, unserved);
  addChanges(app, controller, behind, logger);
  return app;
}

/** As it is, past the machinery of requests and responses: these are asked often, and must cost little. */
function write({ env }: Context<Env>, { status, body }: Told<object>): Response {
  const text = JSON.stringify(body);
  env.outgoing
    .writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-store',
      'cross-origin-resource-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
    })
    .end(text);
  return RESPONSE_ALREADY_SENT;
}

/** Whose fault it is: that of who asks, or the database's; everything else is ours. */
function refusalOf(error: Error, context: Context<Env>, logger: Logger): Response {
  if (error instanceof HTTPException) return error.getResponse();
  const message = messageOf(error);
  if (isLockdError(error)) {
    return refusal(context, ofWhoAsks.includes(error.code) ? 400 : 503, error.code, message);
  }
  const { incoming } = context.env;
  if (incoming.destroyed && !incoming.complete) {
    logger.debug({ path: context.req.path, reason: message }, 'a request was not said to its end');
    return refusal(context, 400, 'INCOMPLETE', 'Expected the rest of the request.');
  }
  logger.error({ path: context.req.path, reason: message }, 'could not answer a request');
  return refusal(context, 500, 'INTERNAL', 'Something went wrong here; the log says what.');
}

const ofWhoAsks: readonly LockdErrorCode[] = ['LOCKD_INVALID_OPTION', 'LOCKD_UNKNOWN_NAME'];
