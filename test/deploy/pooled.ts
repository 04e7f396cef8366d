import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { freePort } from '../../src/embedded/port.ts';
import { read } from '../docs/pages.ts';
import type { PgBouncer } from '../support/pgbouncer.ts';
import { TestProcess } from '../support/processes.ts';

/** PgBouncer with the shipped settings, but for where it listens, and which server it has. */
export async function startShippedPgBouncer(database: string): Promise<PgBouncer> {
  const { hostname, port, username, password } = new URL(inject('databaseUrl'));
  const folder = await mkdtemp(join(tmpdir(), 'lockd-test-'));
  const listenPort = await freePort();
  const [user, secret] = [username || 'postgres', password || 'lockd'];
  const settings = changed(read('ops/pgbouncer/pgbouncer.ini'), {
    'host=postgres port=5432': `host=${hostname} port=${port || 5432}`,
    'listen_addr = *': 'listen_addr = 127.0.0.1',
    'listen_port = 6432': `listen_port = ${listenPort}`,
    '/etc/pgbouncer': folder,
  });
  await writeFile(join(folder, 'pgbouncer.ini'), settings);
  const users = changed(read('ops/pgbouncer/userlist.txt'), {
    '"postgres" "lockd"': `"${user}" "${secret}"`,
  });
  await writeFile(join(folder, 'userlist.txt'), users);
  await chmod(folder, 0o755);
  // It does not run as root.
  const words = process.getuid?.() === 0 ? ['--user', 'nobody'] : [];
  const child = new TestProcess('pgbouncer', [...words, join(folder, 'pgbouncer.ini')]);
  const dispose = async (): Promise<void> => {
    await child[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await child.line(/process up/);
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    url: `postgres://${user}:${secret}@127.0.0.1:${listenPort}/${database}`,
    [Symbol.asyncDispose]: dispose,
  };
}

/** Each of them is there, or the files have gone another way than this. */
export function changed(text: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((before, [old, value]) => {
    if (!before.includes(old)) throw new Error(`There is no ${old} to change.`);
    return before.replaceAll(old, value);
  }, text);
}
