import { inspect } from 'node:util';
import { describe, expect, test, vi } from 'vitest';
import { isLockdError, LockdError, messageOf } from '../../src/core/errors.ts';
import { silentLogger, withFields } from '../../src/core/log.ts';
import { openTerm } from '../../src/core/term.ts';

describe('a LockdError', () => {
  test('has a code, a cause where there is one, and heals by itself only where it says so', () => {
    const cause = new Error('reset');
    const error = new LockdError('LOCKD_CONNECTION', 'lost', { cause, isRetryable: true });
    expect(error).toMatchObject({ name: 'LockdError', code: 'LOCKD_CONNECTION', cause });
    expect(error.isRetryable).toBe(true);
    expect(new LockdError('LOCKD_POOLER', 'no').isRetryable).toBe(false);
    expect('cause' in new LockdError('LOCKD_POOLER', 'no')).toBe(false);
  });

  test('of another loaded copy is one, too; anything else is none', () => {
    const twin = Object.assign(new Error('twin'), { [Symbol.for('lockd.error')]: true });
    expect(isLockdError(twin)).toBe(true);
    for (const other of [new Error('x'), null, undefined, 'LOCKD_LOST', {}]) {
      expect(isLockdError(other)).toBe(false);
    }
  });

  test('does not show its brand to people', () => {
    expect(inspect(new LockdError('LOCKD_LOST', 'x'))).not.toContain('Symbol');
  });
});

test('what was thrown is told in words, whatever it was', () => {
  expect(messageOf(new Error('boom'))).toBe('boom');
  expect(messageOf('boom')).toBe('boom');
  expect(messageOf(undefined)).toBe('undefined');
  const refused = new AggregateError([new Error('ECONNREFUSED ::1'), new Error('ECONNREFUSED')]);
  expect(messageOf(refused)).toContain('ECONNREFUSED');
  expect(messageOf(new Error('', { cause: refused }))).toContain('ECONNREFUSED');
  expect(messageOf(new RangeError())).toBe('RangeError');
});

test('common fields are on every line, and a line may say it more precisely', () => {
  const info = vi.fn();
  const logger = withFields({ ...silentLogger, info }, { name: 'bot', token: 1 });
  logger.info({ token: 2 }, 'became active');
  expect(info).toHaveBeenCalledWith({ name: 'bot', token: 2 }, 'became active');
  for (const level of ['debug', 'warn', 'error'] as const) logger[level]({}, 'x');
});

describe('a term', () => {
  const facts = { name: 'bot', token: 5n, instance: 'me', since: new Date(), gapMs: undefined };

  test('is active as long as it is valid, and never again once it has ended', () => {
    let left = 700;
    const term = openTerm(facts, () => left);
    expect([term.isActive(), term.validForMs()]).toEqual([true, 700]);
    left = 0;
    expect(term.isActive()).toBe(false);
    left = 700;
    const reason = new LockdError('LOCKD_LOST', 'ended');
    term.end(reason);
    expect([term.isActive(), term.validForMs()]).toEqual([false, 0]);
    expect(term.signal.reason).toBe(reason);
  });

  test('keeps the first reason it ended for', () => {
    const term = openTerm(facts, () => 1);
    const reason = new LockdError('LOCKD_LOST', 'first');
    term.end(reason);
    term.end(new LockdError('LOCKD_LOST', 'second'));
    expect(term.signal.reason).toBe(reason);
  });
});
