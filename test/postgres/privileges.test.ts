import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { migrate, readStatus, SingletonLockController } from '../../src/index.ts';
import { createDatabase, query } from '../support/database.ts';
import { expectNoSessions, leakCheck } from '../support/leaks.ts';

leakCheck();

/** A role of no other rights, named after the throw-away database. */
async function withRole(grants: boolean, use: (url: string) => Promise<void>): Promise<void> {
  await using database = await createDatabase();
  await migrate({ connectionString: database.url });
  const role = `role_${database.name}`;
  const address = new URL(database.url);
  address.username = role;
  address.password = 'secret';
  await query(database.url, `create role ${role} login password 'secret'`);
  try {
    if (grants)
      await query(
        database.url,
        (await grantsOfTheRunbook()).replaceAll(' to bot;', ` to ${role};`),
      );
    await use(address.href);
    await expectNoSessions(database.url);
  } finally {
    await query(database.url, `drop owned by ${role}; drop role ${role}`);
  }
}

async function grantsOfTheRunbook(): Promise<string> {
  const runbook = await readFile(new URL('../../RUNBOOK.md', import.meta.url), 'utf8');
  return /```sql\n(grant usage[^`]+)```/.exec(runbook)?.[1] ?? '';
}

test('a role with what the runbook grants leads, hands over and fences', async () => {
  await withRole(true, async (connectionString) => {
    await using first = new SingletonLockController({ name: 'led', connectionString });
    await using second = new SingletonLockController({ name: 'led', connectionString });
    await first.start();
    await second.start();
    await query(connectionString, 'select lockd.fence($1, $2)', ['led', first.term?.token]);
    const next = second.whenActive();
    await first.stop();
    expect((await next).isActive()).toBe(true);
    expect((await readStatus({ connectionString }, 'led'))[0]?.leader?.label).toBe(second.label);
  });
});

test('a role without rights is refused with a code and what to do', async () => {
  await withRole(false, async (connectionString) => {
    await using controller = new SingletonLockController({ name: 'led', connectionString });
    await expect(controller.start()).rejects.toMatchObject({
      code: 'LOCKD_PRIVILEGE',
      message: expect.stringContaining('RUNBOOK.md'),
    });
  });
});
