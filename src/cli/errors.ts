import { isLockdError, LockdError, messageOf } from '../core/errors.ts';
import { ExitCode } from './exit-codes.ts';

/** A mistake on the command line or in the environment. */
export const usageError = (message: string): LockdError =>
  new LockdError('LOCKD_INVALID_OPTION', message);

/** A verb that asks a question cannot tell where another one is refused. */
export function exitCodeOf(error: unknown, { isAsking }: { isAsking: boolean }): number {
  if (!isLockdError(error)) return ExitCode.internal;
  switch (error.code) {
    case 'LOCKD_INVALID_OPTION':
      return ExitCode.usage;
    case 'LOCKD_GUARD':
    case 'LOCKD_STOPPED':
    case 'LOCKD_SELF_WAIT':
    case 'LOCKD_STALE_TOKEN':
      return ExitCode.internal;
    case 'LOCKD_UNKNOWN_NAME':
      return ExitCode.nobody;
    default:
      return isAsking ? ExitCode.unknown : ExitCode.unavailable;
  }
}

/** The same error, naming the database it is about. */
export function located(error: unknown, where: string): unknown {
  if (!isLockdError(error)) return error;
  const { code, isRetryable } = error;
  if (code === 'LOCKD_INVALID_OPTION') return error;
  const message = `${messageOf(error).replace(/[.\s]*$/, '.')} (${where})`;
  return new LockdError(code, message, { cause: error, isRetryable });
}
