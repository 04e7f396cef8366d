import type { Attributes, Span, Tracer } from '@opentelemetry/api';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';

/** What makes spans, and how one that failed is ended. */
export interface Tracing {
  begin(name: string, kind: 'root' | 'child', attributes: Attributes): Span;
  end(span: Span, attributes: Attributes, failure?: string): void;
}

/** Undefined where the package is not there: whoever traces has it, and others need not. */
export async function tracing(logger: Logger): Promise<Tracing | undefined> {
  let api: typeof import('@opentelemetry/api');
  try {
    api = await import('@opentelemetry/api');
  } catch (error) {
    logger.debug({ reason: messageOf(error) }, 'does not trace: no @opentelemetry/api');
    return undefined;
  }
  const { trace, ROOT_CONTEXT, SpanStatusCode } = api;
  const tracer: Tracer = trace.getTracer('lockd');
  return {
    begin: (name, kind, attributes) => {
      const options = { attributes };
      // A term belongs to no request, whoever's turn of the event loop it begins in.
      return kind === 'root'
        ? tracer.startSpan(name, options, ROOT_CONTEXT)
        : tracer.startSpan(name, options);
    },
    end: (span, attributes, failure) => {
      span.setAttributes(attributes);
      if (failure !== undefined) {
        span.setStatus({ code: SpanStatusCode.ERROR, message: failure });
      }
      span.end();
    },
  };
}
