import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Context,
  type ContextManager,
  context,
  ROOT_CONTEXT,
  trace,
} from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';

export interface Recorded extends Disposable {
  /** Those that have ended, in that order. */
  spans(): readonly ReadableSpan[];
}

/** What a host sets up before it traces: a provider, and contexts that follow its calls. */
export function recordSpans(): Recorded {
  const exporter = new InMemorySpanExporter();
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  );
  context.setGlobalContextManager(followingCalls());
  return {
    spans: () => exporter.getFinishedSpans(),
    [Symbol.dispose]() {
      trace.disable();
      context.disable();
    },
  };
}

function followingCalls(): ContextManager {
  const storage = new AsyncLocalStorage<Context>();
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (of, call, self, ...args) =>
      storage.run(of, () => Reflect.apply(call, self as unknown as object, args)),
    bind: (_, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  return manager;
}
