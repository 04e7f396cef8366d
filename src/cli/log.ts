import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';
import { messageOf } from '../core/errors.ts';
import { BackgroundStderr } from './background.ts';
import type { LogLevel } from './options.ts';
import { cell, redact } from './output.ts';

export interface LogOptions {
  readonly level: LogLevel;
  /** JSON lines on a terminal, too. */
  readonly isJson?: boolean | undefined;
  /** On every line, beside the process id. */
  readonly fields?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * pino on stderr: JSON lines, or lines for people where a person looks. A pipe is written to in the
 * background, because one that is full would block the beats; at exit what is left is flushed.
 */
export function createLog({ level, isJson = false, fields = {} }: LogOptions): Logger {
  const isPretty = process.stderr.isTTY === true && !isJson;
  return pino(
    {
      level,
      base: { pid: process.pid, ...fields },
      timestamp: stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        bindings: writable,
        log: writable,
      },
      serializers: { err: (error: unknown) => error },
    },
    isPretty ? prettyTerminal() : new BackgroundStderr(),
  );
}

/** Tokens are bigints: as text, because JSON readers round large numbers. Errors are a sentence. */
function writable(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      if (typeof value === 'bigint') return [name, String(value)];
      const plain = value instanceof Error ? messageOf(value) : value;
      return [name, typeof plain === 'string' ? redact(plain) : plain];
    }),
  );
}

/** In the background, too: Ctrl-S stops a terminal, and must not stop supervisor and guard at once. */
function prettyTerminal(): DestinationStream {
  const terminal = new BackgroundStderr();
  return { write: (line) => void terminal.write(`${prettyLine(line)}\n`) };
}

/** `20:45:17.123 info  became active  name=bot token=17` */
export function prettyLine(json: string): string {
  const { time, level, msg, pid: _pid, ...fields } = JSON.parse(json);
  const clock = String(time).slice(11, 23);
  const shown = Object.entries(fields).map(([name, value]) => `${name}=${plain(value)}`);
  return cell([clock, level.padEnd(5), msg, '', ...shown].join(' ').trimEnd());
}

function plain(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}
