import { refuseUnknown } from '../core/known.ts';
import { type Logger, silentLogger } from '../core/log.ts';

export interface TraceOptions {
  /** Told once, at debug, where `@opentelemetry/api` is not installed. @default nothing */
  readonly logger?: Logger | undefined;
}

export function loggerOf(options: TraceOptions): Logger {
  refuseUnknown(options, { logger: true });
  return options.logger ?? silentLogger;
}
