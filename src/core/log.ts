/** What lockd logs to: pino, or anything with these four methods. Fields first, then a short past tense. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const nothing = (): void => {};

export const silentLogger: Logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
};

/** The same fields on every line. A logger that throws must not cost a beat: its line is lost. */
export function withFields(logger: Logger, common: object): Logger {
  const line =
    (level: keyof Logger) =>
    (fields: object, message: string): void => {
      try {
        logger[level]({ ...common, ...fields }, message);
      } catch {}
    };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}
