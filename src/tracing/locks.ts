import type { Span } from '@opentelemetry/api';
import type { LockdError } from '../core/errors.ts';
import type { Hold } from '../core/locks/hold.ts';
import type { LockManager } from '../core/locks/manager.ts';
import { modeInWords } from '../core/locks/options.ts';
import type { LockOperation } from '../core/locks/surface.ts';
import { loggerOf, type TraceOptions } from './options.ts';
import { tracing } from './tracer.ts';

/**
 * A span `lockd.hold` for each hold from now on, from its grant until it is released or lost. The
 * resource is an attribute, and the parent is whatever span its `acquire` was called in. Disposing of it
 * ends what is open. Without `@opentelemetry/api` it does nothing.
 */
export async function traceLocks(
  manager: LockManager,
  options: TraceOptions = {},
): Promise<Disposable> {
  const tracer = await tracing(loggerOf(options));
  if (tracer === undefined) return { [Symbol.dispose]() {} };
  const spans = new Map<Hold, Span>();
  const end = (hold: Hold, reason: string, failure?: string): void => {
    const span = spans.get(hold);
    if (span === undefined) return; // it was had before
    spans.delete(hold);
    tracer.end(span, { 'lockd.end_reason': reason }, failure);
  };
  const begin = ({ what, hold, tookMs }: LockOperation): void => {
    if (what !== 'acquired' || hold === undefined) return;
    const { resource, owner, mode, token } = hold;
    const span = tracer.begin('lockd.hold', 'child', {
      'lockd.resource': resource,
      'lockd.owner': owner,
      'lockd.mode': modeInWords(mode),
      'lockd.token': String(token),
      'lockd.wait_ms': tookMs,
    });
    spans.set(hold, span);
  };
  const released = (hold: Hold): void => end(hold, 'released');
  const lost = (hold: Hold, { code, message }: LockdError): void => end(hold, code, message);
  manager.on('resource.operation', begin).on('resource.unlocked', released);
  manager.on('resource.lost', lost);
  return {
    [Symbol.dispose]() {
      manager.off('resource.operation', begin).off('resource.unlocked', released);
      manager.off('resource.lost', lost);
      for (const span of spans.values()) span.end();
      spans.clear();
    },
  };
}
