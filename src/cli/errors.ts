import { isLockdError, LockdError, type LockdErrorCode, messageOf } from '../core/errors.ts';
import { ExitCode } from './exit-codes.ts';

/** A mistake on the command line or in the environment. */
export const usageError = (message: string): LockdError =>
  new LockdError('LOCKD_INVALID_OPTION', message);

/** Of the resource and not of the database: it was not had. */
export const isAboutResource = (error: unknown): boolean =>
  isLockdError(error) && aboutResource.includes(error.code);

const aboutResource: readonly LockdErrorCode[] = [
  'LOCKD_BUSY',
  'LOCKD_DEADLOCK',
  'LOCKD_ALREADY_HELD',
  'LOCKD_MODE_MISMATCH',
];

export interface Asked {
  readonly isAsking: boolean;
  /** Where a resource is not free. */
  readonly conflict?: number | undefined;
}

/** A verb that asks a question cannot tell where another one is refused. */
export function exitCodeOf(
  error: unknown,
  { isAsking, conflict = ExitCode.nobody }: Asked,
): number {
  if (!isLockdError(error)) return ExitCode.internal;
  switch (error.code) {
    case 'LOCKD_BUSY':
    case 'LOCKD_DEADLOCK':
      return conflict;
    case 'LOCKD_ALREADY_HELD':
    case 'LOCKD_MODE_MISMATCH':
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
