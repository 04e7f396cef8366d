import type { Span } from '@opentelemetry/api';
import type { SingletonLockController } from '../core/controller.ts';
import type { EndReason } from '../core/machine/protocol.ts';
import type { Term } from '../core/term.ts';
import { loggerOf, type TraceOptions } from './options.ts';
import { tracing } from './tracer.ts';

/** An end on purpose; the others are failures of something. */
const orderly: ReadonlySet<EndReason> = new Set(['stopped', 'resigned', 'handed-over']);

/**
 * A span `lockd.term` for each term, from the moment the gate opens, or from now on, until it closes.
 * Disposing of it ends what is open. Without `@opentelemetry/api` it does nothing.
 */
export async function traceController(
  controller: SingletonLockController,
  options: TraceOptions = {},
): Promise<Disposable> {
  const tracer = await tracing(loggerOf(options));
  if (tracer === undefined) return { [Symbol.dispose]() {} };
  const { name, instance, label } = controller;
  let span: Span | undefined;
  const begin = ({ token, gapMs }: Term): void => {
    span = tracer.begin('lockd.term', 'root', {
      'lockd.name': name,
      'lockd.instance': instance,
      'lockd.label': label,
      'lockd.token': String(token),
      ...(gapMs === undefined ? {} : { 'lockd.gap_ms': gapMs }),
    });
  };
  const end = (_: Term, reason: EndReason): void => {
    if (span === undefined) return;
    const failure = orderly.has(reason) ? undefined : reason;
    tracer.end(span, { 'lockd.end_reason': reason }, failure);
    span = undefined;
  };
  const current = controller.term;
  if (current !== undefined) begin(current);
  controller.on('active', begin).on('passive', end);
  return {
    [Symbol.dispose]() {
      controller.off('active', begin).off('passive', end);
      span?.end();
      span = undefined;
    },
  };
}
