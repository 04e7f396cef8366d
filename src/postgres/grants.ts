import pg from 'pg';
import { LockdError } from '../core/errors.ts';
import { settleDatabase } from './connection.ts';

/** PostgreSQL cuts a longer name, and the grant would go to somebody else. */
const identifierBytes = 63;

/**
 * What a role needs that does not own the schema, as a script. A migration may add to it, so it is
 * run again after each.
 */
export function grantScript(role: string, options: { schema?: string | undefined } = {}): string {
  const { schema } = settleDatabase(options);
  if (role === '' || Buffer.byteLength(role) > identifierBytes || /\p{Cc}/u.test(role)) {
    throw new LockdError(
      'LOCKD_INVALID_OPTION',
      `Expected a role of 1 to ${identifierBytes} bytes without control characters, got ${JSON.stringify(role.slice(0, 80))}.`,
    );
  }
  const to = `to ${pg.escapeIdentifier(role)};`;
  return [
    '-- For a role that campaigns and holds. One that only calls assertFence needs these, and no more:',
    `--   grant usage on schema ${schema} ${to}`,
    `--   grant execute on function ${schema}.fence(text, bigint) ${to}`,
    `--   grant execute on function ${schema}.fence_hold(text, bigint) ${to}`,
    `grant usage on schema ${schema} ${to}`,
    `grant execute on all functions in schema ${schema} ${to}`,
    `grant execute on all procedures in schema ${schema} ${to}`,
    `grant usage on all sequences in schema ${schema} ${to}`,
    `grant select on all tables in schema ${schema} ${to}`,
    `grant insert, delete on ${schema}.lock ${to}`,
    `grant insert, update, delete on ${schema}.lease, ${schema}.fence ${to}`,
    `grant insert, delete on ${schema}.instance ${to}`,
    `grant insert, update, delete on ${schema}.term ${to}`,
    `grant insert, update, delete on ${schema}.hold, ${schema}.waiter, ${schema}.epoch, ${schema}.doubt ${to}`,
  ].join('\n');
}
