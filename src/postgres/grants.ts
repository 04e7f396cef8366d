import pg from 'pg';
import { LockdError } from '../core/errors.ts';
import { settleDatabase } from './connection.ts';

/** PostgreSQL cuts a longer name, and the grant would go to somebody else. */
const identifierBytes = 63;

/** Beside reading all of them. */
export const writes: readonly (readonly [rights: readonly string[], tables: readonly string[]])[] =
  [
    [['insert', 'delete'], ['lock']],
    [
      ['insert', 'update', 'delete'],
      ['lease', 'fence'],
    ],
    [['insert', 'delete'], ['instance']],
    [['insert', 'update'], ['handoff']],
    [['insert', 'update', 'delete'], ['term']],
    [
      ['insert', 'update', 'delete'],
      ['hold', 'waiter', 'epoch', 'doubt', 'silence'],
    ],
  ];

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
    ...writes.map(([rights, tables]) => {
      const written = tables.map((table) => `${schema}.${table}`).join(', ');
      return `grant ${rights.join(', ')} on ${written} ${to}`;
    }),
  ].join('\n');
}
