import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from '../../src/embedded/port.ts';
import { runAs, serverUser } from '../../src/embedded/user.ts';
import { deferred } from './wait.ts';

export type PoolMode = 'session' | 'transaction' | 'statement';

/** Why there is no PgBouncer to test with; undefined where there is one. */
export async function pgbouncerMissing(): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile('pgbouncer', ['--version'], (error) =>
      resolve(error === null ? undefined : `\`pgbouncer\` does not run here: ${error.message}`),
    );
  });
}

export interface PgBouncer extends AsyncDisposable {
  /** The same database through the pool. */
  readonly url: string;
}

/** A real PgBouncer before the server of this URL. */
export async function startPgBouncer(
  databaseUrl: string,
  mode: PoolMode,
  more: Readonly<Record<string, string | number>> = {},
): Promise<PgBouncer> {
  const { hostname, port, username, password } = new URL(databaseUrl);
  const [user, listenPort] = [await serverUser(), await freePort()];
  const folder = await mkdtemp(join(tmpdir(), 'lockd-pgbouncer-'));
  if (user.uid !== undefined) await runAs({}, 'chown', [`${user.uid}`, folder]);
  const users = join(folder, 'users.txt');
  const login = `user=${username || 'postgres'}${password === '' ? '' : ` password=${password}`}`;
  const settings = `[databases]
* = host=${hostname} port=${port || 5432} ${login}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${listenPort}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = ${mode}
${Object.entries({ default_pool_size: 20, ...more })
  .map(([name, value]) => `${name} = ${value}`)
  .join('\n')}
`;
  await writeFile(users, `"${username || 'postgres'}" "${password}"\n`);
  await writeFile(join(folder, 'pgbouncer.ini'), settings);
  const child = spawn('pgbouncer', [join(folder, 'pgbouncer.ini')], {
    ...user,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const said: string[] = [];
  const [ready, ended] = [deferred(), deferred()];
  createInterface({ input: child.stderr }).on('line', (line) => {
    said.push(line);
    if (line.includes('process up')) ready.resolve();
  });
  child.once('error', ready.reject);
  child.once('close', () => {
    ready.reject(new Error(`PgBouncer ended:\n${said.join('\n')}`));
    ended.resolve();
  });
  const dispose = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended.promise;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await ready.promise;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${listenPort}`;
  return { url: url.href, [Symbol.asyncDispose]: dispose };
}
