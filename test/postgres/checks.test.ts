import { describe, expect, inject, test } from 'vitest';
import { checkServer } from '../../src/postgres/checks.ts';
import { hostsOf } from '../../src/postgres/hosts.ts';
import { Session, type SessionSettings } from '../../src/postgres/session.ts';

const settings = (): SessionSettings => ({
  hosts: hostsOf({ connectionString: inject('databaseUrl') }),
  applicationName: 'lockd:check',
  timeoutMs: 5_000,
});

const facts = { version: 'PostgreSQL 17.2 on x86_64', number: 170_002, is_replica: false };

/** A connection that answers one question after the other with these rows, and then with the last. */
function answering(announcedBackend: number, ...rows: object[]): Session {
  const bounded = async () => ({ rows: [rows.length > 1 ? rows.shift() : rows[0]], warnings: [] });
  return { announcedBackend, bounded } as unknown as Session;
}

describe('a server', () => {
  test('of the kind lockd is made for is accepted, and names its backend', async () => {
    const session = await Session.open(settings());
    const { rows } = await session.query('select pg_backend_pid() as pid');
    expect(await checkServer(session, settings())).toMatchObject({ backend: rows[0].pid });
    await session.close();
  });

  test.each([
    ['CockroachDB CCL v23.1.0 (x86_64)'],
    ['PostgreSQL 13.0-YB-2.21 YugabyteDB on x86_64'],
    ['PostgreSQL 8.0.2 on i686, Redshift 1.0.5'],
    ['something else'],
  ])('that calls itself "%s" is refused: its session locks are not real', async (version) => {
    const session = answering(7, { ...facts, version, number: 170_000, backend: 7 });
    const refusal = { code: 'LOCKD_SERVER', isRetryable: false };
    await expect(checkServer(session, settings())).rejects.toMatchObject(refusal);
  });

  test('before PostgreSQL 14 is refused: it cannot end idle sessions', async () => {
    const old = { ...facts, version: 'PostgreSQL 13.18 on x86_64', number: 130_018, backend: 7 };
    await expect(checkServer(answering(7, old), settings())).rejects.toMatchObject({
      code: 'LOCKD_SERVER',
      message: expect.stringContaining('PostgreSQL 13.18'),
    });
    const oldest = { ...facts, number: 140_000, backend: 7 };
    await checkServer(answering(7, oldest), settings());
  });

  test('that is a replica is refused: it grants advisory locks, and keeps no lease', async () => {
    const replica = { ...facts, is_replica: true, backend: 7 };
    await expect(checkServer(answering(7, replica), settings())).rejects.toMatchObject({
      code: 'LOCKD_REPLICA',
      message: expect.stringContaining('primary'),
    });
  });
});

describe('a proxy, which invents the backend it announces', () => {
  const here = { ...facts, backend: 8 };

  test('that keeps a backend for each connection is accepted', async () => {
    const session = answering(7, here, { backend: 8 });
    expect(await checkServer(session, settings())).toMatchObject({ backend: 8 });
  });

  test('that changes the backend of a connection is refused', async () => {
    const session = answering(7, here, { backend: 8 }, { backend: 9 });
    await expect(checkServer(session, settings())).rejects.toMatchObject({
      code: 'LOCKD_POOLER',
      isRetryable: false,
      message: expect.stringContaining('transaction pooler'),
    });
  });
});
