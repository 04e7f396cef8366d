/** How what went wrong is told, and what it makes of the exit code. */

import type { Command } from 'commander';
import { isLockdError, messageOf } from '../core/errors.ts';
import { exitCodeOf } from './errors.ts';
import { ExitCode } from './exit-codes.ts';
import { commonOptions, isYes } from './options.ts';
import { printable, printJson, redact, say, sayJson } from './output.ts';
import { inFlags } from './variables.ts';

/** These ask a question: where they fail, the answer is "could not tell". */
const askingVerbs = new Set(['status', 'watch', 'history', 'resign', 'handoff', 'locks', 'unlock']);

export function fail(error: unknown, command: Command): number {
  const message = redact(inFlags(messageOf(error), error, command));
  const isDebugging = command.opts()['logLevel'] === 'debug' && !isLockdError(error);
  const stack = isDebugging ? stackOf(error) : undefined;
  if (commonOptions(command).isJson) {
    const code = isLockdError(error) ? error.code : 'INTERNAL';
    failAsJson({ code, message, ...(stack !== undefined && { stack }) }, command.name());
  } else {
    say(`lockd: ${message}`);
    if (stack !== undefined) say(stack);
  }
  return exitCodeOf(error, {
    isAsking: askingVerbs.has(command.name()),
    conflict: command.opts()['conflictExitCode'],
  });
}

/** Whose stdout belongs to a command. */
const runningVerbs = new Set(['run', 'lock']);

export function failAsJson(
  error: { code: string; message: string },
  verb: string | undefined,
): void {
  const message = printable(error.message.replace(/^lockd: /, '').trimEnd());
  const answer = { error: { ...error, message } };
  if (verb !== undefined && runningVerbs.has(verb)) sayJson(answer);
  else printJson(answer);
}

/** Where the command line could not be read. */
export function isJsonAsked(argv: readonly string[]): boolean {
  const dashes = argv.indexOf('--');
  const ours = dashes === -1 ? argv : argv.slice(0, dashes);
  return ours.includes('--json') || isYes(process.env['LOCKD_JSON'] ?? '');
}

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? '') : '');

/** `lockd status | head -1` is no error. An answer that was not given is, and is no answer. */
export function onUnwritten(
  finish: (exitCode: number) => void,
  argv: readonly string[],
): (error: NodeJS.ErrnoException) => void {
  return ({ code, message }) => {
    if (code === 'EPIPE') return;
    say(`lockd: could not write to stdout: ${message}`);
    finish(
      ['status', 'watch', 'history', 'locks'].includes(argv[2] ?? '')
        ? ExitCode.unknown
        : ExitCode.internal,
    );
  };
}
