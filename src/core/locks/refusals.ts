import { isLockdError, LockdError } from '../errors.ts';
import { modeInWords, type Request } from './options.ts';
import type { Answer, Holding } from './store.ts';

/** Why a hold was not had, in words that say who has it and what to do. */

const unavailable = (): LockdError =>
  new LockdError(
    'LOCKD_UNAVAILABLE',
    'This process has no lease to hold anything under: the database does not answer. Wait for it with `waitMs`, or try again later.',
    { isRetryable: true },
  );

/** Not so much as a place in line was had. */
export const unanswered = ({ resource, waitMs }: Request, waitedMs: number): LockdError =>
  waitMs === 0
    ? unavailable()
    : new LockdError(
        'LOCKD_UNAVAILABLE',
        `${JSON.stringify(resource)} could not be asked for within ${Math.round(waitedMs)} ms: the database does not answer, or this process has no lease yet. Wait longer with \`waitMs\`.`,
        { isRetryable: true },
      );

export const overdue = (
  { resource }: Request,
  waitedMs: number,
  holders: readonly Holding[],
): LockdError =>
  new LockdError(
    'LOCKD_BUSY',
    `${JSON.stringify(resource)} was not free within ${Math.round(waitedMs)} ms${keptBy(holders)}. Wait longer with \`waitMs\`.`,
    { isRetryable: true, cause: { holders } },
  );

export const isOverdue = (error: unknown): boolean =>
  isLockdError(error) && error.code === 'LOCKD_BUSY';

export const busy = ({ resource }: Request, holders: readonly Holding[]): LockdError =>
  new LockdError(
    'LOCKD_BUSY',
    `${JSON.stringify(resource)} is not free${keptBy(holders)}. Wait for it with \`waitMs\`.`,
    { isRetryable: true, cause: { holders } },
  );

export function ofAnswer(
  { resource, owner, mode }: Request,
  answer: Extract<Answer, { is: 'holds' | 'waits' | 'mismatch' | 'doubtful' }>,
): LockdError {
  const what = JSON.stringify(resource);
  switch (answer.is) {
    case 'holds':
      return new LockdError('LOCKD_ALREADY_HELD', alreadyHeld(what, owner, answer.holders), {
        cause: { holders: answer.holders },
      });
    case 'waits':
      return new LockdError(
        'LOCKD_ALREADY_HELD',
        `${JSON.stringify(owner)} already waits for ${what}. Await that, or name another \`owner\`: who asks at the same time needs one each.`,
        { cause: { holders: answer.holders } },
      );
    case 'mismatch':
      return new LockdError(
        'LOCKD_MODE_MISMATCH',
        `${what} was asked for with ${asAsked(mode)} while it is used with ${answer.usedAs}. All who use a resource have to agree on it.`,
        { cause: { holders: answer.holders } },
      );
    case 'doubtful':
      return new LockdError(
        'LOCKD_UNAVAILABLE',
        `The server has lost what was held when it crashed, and grants ${what} once all who may still hold something have stopped: within their TTL. Wait for it with \`waitMs\`.`,
        { isRetryable: true },
      );
  }
}

function alreadyHeld(what: string, owner: string, [holder]: readonly Holding[]): string {
  const by = JSON.stringify(holder?.owner ?? owner);
  const asked = JSON.stringify(owner);
  return by === asked
    ? `${by} already holds ${what}, and would wait for itself. Use the hold that it has, or name another \`owner\`: who asks at the same time needs one each.`
    : `${by} already holds ${what}, and its routine, which asks again as ${asked}, would wait for itself. Use the hold that it has.`;
}

const asAsked = (mode: Request['mode']): string =>
  typeof mode === 'string' ? `an ${mode} lock`.replace('an s', 'a s') : modeInWords(mode);

function keptBy(holders: readonly Holding[]): string {
  const [first] = holders;
  if (first === undefined) return '';
  const label = first.label === undefined ? '' : ` of ${first.label}`;
  const why = first.details.reason === undefined ? '' : ` (${first.details.reason})`;
  const more = holders.length > 1 ? ` and ${holders.length - 1} more` : '';
  return `: held by ${JSON.stringify(first.owner)}${label} since ${first.since.toISOString()}${why}${more}`;
}
