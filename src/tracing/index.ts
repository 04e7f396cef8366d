/**
 * `lockd/tracing`: spans of terms and holds, for whoever has `@opentelemetry/api`. Without it nothing
 * happens.
 *
 *     using traced = await traceController(lock);
 *     await lock.start();
 */
export { traceController } from './controller.ts';
export { traceLocks } from './locks.ts';
export type { TraceOptions } from './options.ts';
