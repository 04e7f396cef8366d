import { describe, expect, test } from 'vitest';
import { LockdError } from '../../src/core/errors.ts';
import { noticeOf } from '../../src/postgres/control.ts';
import { asLockdError, sqlStateOf } from '../../src/postgres/failures.ts';

const failure = (code: string, message = 'said the server') =>
  Object.assign(new Error(message), { code });

describe('what went wrong', () => {
  test.each([
    ['3F000', 'LOCKD_SCHEMA_MISSING', false],
    ['42P01', 'LOCKD_SCHEMA_MISSING', false],
    ['42883', 'LOCKD_SCHEMA_MISSING', false],
    ['42501', 'LOCKD_PRIVILEGE', false],
    ['25006', 'LOCKD_REPLICA', true],
    ['28000', 'LOCKD_CONNECTION', false],
    ['28P01', 'LOCKD_CONNECTION', false],
    ['3D000', 'LOCKD_CONNECTION', false],
    ['40001', 'LOCKD_SERIALIZATION', true],
    ['LKD01', 'LOCKD_STALE_TOKEN', false],
    ['LKD02', 'LOCKD_UNKNOWN_NAME', false],
    ['57P01', 'LOCKD_CONNECTION', true],
    ['57P03', 'LOCKD_UNAVAILABLE', true],
    ['53300', 'LOCKD_UNAVAILABLE', true],
    ['57014', 'LOCKD_CONNECTION', true],
    ['ECONNREFUSED', 'LOCKD_CONNECTION', true],
    ['ENOTFOUND', 'LOCKD_CONNECTION', true],
    ['EAI_AGAIN', 'LOCKD_CONNECTION', true],
    ['42703', 'LOCKD_INVALID_OPTION', false],
    ['42P07', 'LOCKD_INVALID_OPTION', false],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'LOCKD_CONNECTION', true],
    ['CERT_HAS_EXPIRED', 'LOCKD_CONNECTION', true],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'LOCKD_CONNECTION', true],
  ])('%s is %s (heals by itself: %s)', (state, code, isRetryable) => {
    const cause = failure(state);
    const error = asLockdError(cause);
    expect(error).toMatchObject({ code, isRetryable, cause });
    expect(error.message).toMatch(/^said the server/);
  });

  test('is told with a remedy where there is one', () => {
    expect(asLockdError(failure('42P01')).message).toContain('lockd migrate');
    expect(asLockdError(failure('42501')).message).toContain('Grant');
    expect(asLockdError(failure('28P01')).message).toContain('password');
    expect(asLockdError(failure('ECONNREFUSED')).message).toContain('Check host and port');
    expect(asLockdError(failure('ENOTFOUND')).message).toContain('Check the name of the host');
    expect(asLockdError(failure('57014')).message).toContain('Look for a `statement_timeout`');
  });

  test('is known by its words where it has no code', () => {
    const cause = new Error('The server does not support SSL connections');
    const message = expect.stringContaining('ssl = on');
    const told = { code: 'LOCKD_CONNECTION', isRetryable: true, cause, message };
    expect(asLockdError(cause)).toMatchObject(told);
  });

  test('stays what it is once it has been named', () => {
    const error = new LockdError('LOCKD_POOLER', 'no');
    expect(asLockdError(error)).toBe(error);
  });

  test.each([undefined, null, 'text', 5, {}, { code: 5 }])(
    'can be anything that was thrown',
    (thrown) => {
      expect(sqlStateOf(thrown)).toBeUndefined();
      expect(asLockdError(thrown)).toMatchObject({ code: 'LOCKD_CONNECTION', isRetryable: true });
    },
  );

  test('is told in words when every address of a host refused', () => {
    const refused = failure('ECONNREFUSED', 'connect ECONNREFUSED ::1:5432');
    const all = Object.assign(new AggregateError([refused, refused]), { code: 'ECONNREFUSED' });
    expect(asLockdError(all).message).toContain('ECONNREFUSED');
  });
});

describe('a notice', () => {
  test('is read as the protocol writes it', () => {
    expect(noticeOf('{"kind":"ended","token":"1790000000000","reason":"stopped"}')).toEqual({
      kind: 'ended',
      token: 1_790_000_000_000n,
      reason: 'stopped',
    });
    expect(noticeOf('{"kind":"taken","token":"5","reason":null}')).toEqual({
      kind: 'taken',
      token: 5n,
      reason: undefined,
    });
  });

  const nothing = { kind: 'unknown', token: undefined, reason: undefined };

  test.each([
    '',
    'hello',
    'null',
    '5',
    '[]',
    '"ended"',
    '{}',
    '{"kind":"__proto__"}',
    '{"kind":["ended"],"token":["5"],"reason":{}}',
    '{"kind":"unknown","token":5}',
    '{"kind":"dance","token":"0x10"}',
    '{"kind":"dance","token":"-5"}',
    '{"kind":"dance","token":"99999999999999999999"}',
    '{"kind":"dance","token":" 5"}',
    '{"__proto__":{"kind":"ended","token":"5"}}',
    '{"kind":',
    '\u0000',
    '['.repeat(8_000),
  ])('of anybody who can write to the channel is nothing but a notice: %.40s', (payload) => {
    expect(noticeOf(payload)).toEqual(nothing);
  });
});
