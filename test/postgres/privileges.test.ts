import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { expect, test } from 'vitest';
import { assertFence, migrate, readStatus, SingletonLockController } from '../../src/index.ts';
import { grantScript } from '../../src/postgres/grants.ts';
import { createDatabase, query } from '../support/database.ts';
import { expectNoSessions } from '../support/leaks.ts';
import { startCli } from '../support/processes.ts';

const nothing = (): string => '';

const fenceOnly = (role: string): string =>
  grantScript(role)
    .split('\n')
    .filter((line) => line.startsWith('--   '))
    .map((line) => line.slice(5))
    .join('\n');

/** A role of no other rights, named after the throw-away database. */
async function withRole(
  grants: (role: string) => string,
  use: (roleUrl: string, ownerUrl: string) => Promise<void>,
): Promise<void> {
  await using database = await createDatabase();
  await migrate({ connectionString: database.url });
  const role = `role_${database.name}`;
  const address = new URL(database.url);
  address.username = role;
  address.password = 'secret';
  await query(database.url, `create role ${role} login password 'secret'`);
  try {
    await query(database.url, grants(role));
    await use(address.href, database.url);
    await expectNoSessions(database.url);
  } finally {
    await query(database.url, `drop owned by ${role}; drop role ${role}`);
  }
}

test('the runbook shows what is printed', async () => {
  const runbook = await readFile(new URL('../../RUNBOOK.md', import.meta.url), 'utf8');
  expect(runbook).toContain(`\`\`\`sql\n${grantScript('bot')}\n\`\`\``);
});

test('nothing is printed for what is no role', () => {
  for (const role of ['', 'x'.repeat(64), 'b\u0007t']) {
    const refusal = {
      code: 'LOCKD_INVALID_OPTION',
      message: expect.stringMatching(/Expected a role of 1 to 63 bytes/),
    };
    expect(() => grantScript(role)).toThrow(expect.objectContaining(refusal));
  }
});

test('a role with what is printed leads, hands over and fences', async () => {
  await withRole(grantScript, async (connectionString) => {
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
  await withRole(nothing, async (connectionString) => {
    await using controller = new SingletonLockController({ name: 'led', connectionString });
    await expect(controller.start()).rejects.toMatchObject({
      code: 'LOCKD_PRIVILEGE',
      message: expect.stringContaining('RUNBOOK.md'),
    });
  });
});

test.each(['insert, delete on lockd.instance', 'delete on lockd.term'])(
  'a role that may lead but not register (no %s) is told at start(), and leads nothing',
  async (missing) => {
    const table = missing.split('.')[1] as string;
    await withRole(grantScript, async (connectionString, ownerUrl) => {
      const role = new URL(connectionString).username;
      await query(ownerUrl, `revoke ${missing} from ${role}`);
      await using controller = new SingletonLockController({ name: 'led', connectionString });
      await expect(controller.start()).rejects.toMatchObject({
        code: 'LOCKD_PRIVILEGE',
        message: expect.stringMatching(new RegExp(`${table}.*RUNBOOK\\.md`)),
      });
      expect(controller.state).toBe('stopped');
      await expectNoSessions(ownerUrl);
      expect((await readStatus({ connectionString: ownerUrl }, 'led'))[0]?.isLed).toBe(false);
    });
  },
);

test('`lockd run` of a role that may not register runs nothing for long, and exits with what to do', async () => {
  await withRole(grantScript, async (connectionString, ownerUrl) => {
    const role = new URL(connectionString).username;
    await query(ownerUrl, `revoke insert on lockd.instance from ${role}`);
    const command = ['run', 'led', '--', 'sleep', '60'];
    await using run = startCli(command, { env: { DATABASE_URL: connectionString } });
    const { code } = await run.closed;
    expect(code).toBe(69);
    expect(run.stderr.join('\n')).toMatch(/instance.*RUNBOOK\.md/);
  });
});

test('a role that may only call the fence fences its own transaction, and reads and changes nothing', async () => {
  await withRole(fenceOnly, async (writerUrl, ownerUrl) => {
    await using controller = new SingletonLockController({
      name: 'led',
      connectionString: ownerUrl,
    });
    await controller.start();
    const term = await controller.whenActive();
    const client = new pg.Client({ connectionString: writerUrl });
    await client.connect();
    try {
      await client.query('begin');
      await assertFence(client, term);
      await client.query('commit');
      for (const statement of [
        'select from lockd.fence',
        'update lockd.fence set token = 0',
        `select lockd.testify(1, ${term.token}, 'testimony', 'forged')`,
      ]) {
        await expect(client.query(statement)).rejects.toMatchObject({ code: '42501' });
      }
      await client.query('begin');
      const stale = assertFence(client, { name: 'led', token: term.token - 1n });
      await expect(stale).rejects.toMatchObject({ code: 'LOCKD_STALE_TOKEN' });
    } finally {
      await client.end();
    }
    expect(controller.isActive()).toBe(true);
  });
});

test('a role that may only use the schema may not call the fence: it runs with its owner’s rights', async () => {
  await withRole(
    (role) => `grant usage on schema lockd to ${role}`,
    async (connectionString) => {
      const fenced = query(connectionString, "select lockd.fence('led', 1)");
      await expect(fenced).rejects.toMatchObject({ code: '42501' });
    },
  );
});

test('the fence of a narrow role takes the lock that holds a takeover up', async () => {
  await withRole(fenceOnly, async (writerUrl, ownerUrl) => {
    await using first = new SingletonLockController({ name: 'led', connectionString: ownerUrl });
    await first.start();
    const term = await first.whenActive();
    await using second = new SingletonLockController({ name: 'led', connectionString: ownerUrl });
    const warned = new Promise<Error>((resolve) => second.once('warning', resolve));
    await second.start();
    const client = new pg.Client({ connectionString: writerUrl });
    await client.connect();
    try {
      await client.query('begin');
      await assertFence(client, term);
      await first.stop();
      expect(await warned).toMatchObject({ code: 'LOCKD_FENCE_BLOCKED' });
      expect(second.isActive()).toBe(false);
      await client.query('commit');
      await second.whenActive();
    } finally {
      await client.end();
    }
  });
});
