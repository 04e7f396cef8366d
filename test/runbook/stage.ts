import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { migrate, type NameStatus, readStatus } from '../../src/index.ts';
import { createDatabase, query, type TestDatabase } from '../support/database.ts';
import { expectNoSessions } from '../support/leaks.ts';
import { startCli, startNode, type TestProcess } from '../support/processes.ts';
import { type UntilOptions, until } from '../support/wait.ts';
import type { LogLine } from './excerpts.ts';
import { Instance } from './instance.ts';

/** What bot.js takes beside the options of a controller. */
export interface BotOptions {
  readonly [option: string]: unknown;
  readonly connectionString?: string;
}

/** What worker.js takes beside the options of a manager. */
export interface WorkerOptions {
  readonly [option: string]: unknown;
  readonly takes: readonly { readonly resource: string; readonly [option: string]: unknown }[];
}

/** A name in a database of its own, and the instances of an incident. */
export class Stage implements AsyncDisposable {
  readonly name = 'bot';
  /** Follows a promotion. */
  url: string;
  readonly database: string;
  /** Where blocks run; gone with the stage. */
  readonly folder: string;
  readonly instances: Instance[] = [];
  readonly #database: TestDatabase;
  readonly #clients: pg.Client[] = [];
  readonly #roles: string[] = [];
  #watch: pg.Client | undefined;

  constructor(database: TestDatabase, folder: string) {
    this.#database = database;
    this.url = database.url;
    this.database = database.name;
    this.folder = folder;
  }

  /** `lockd run`. */
  run(
    label: string,
    { flags = [], command = ['sleep', '600'], url = this.url }: RunOptions = {},
  ): Instance {
    const words = ['run', this.name, '--label', label, ...flags, '--', ...command];
    return this.#enter(label, startCli(words, { env: { ...unnamed(), DATABASE_URL: url } }));
  }

  /** A host of the library, without a guard unless it is asked for. */
  bot(label: string, options: BotOptions = {}): Instance {
    const settled = { name: this.name, label, connectionString: this.url, ...options };
    const program = new URL('bot.js', import.meta.url);
    return this.#enter(label, startNode(program, [JSON.stringify(settled)], { env: unnamed() }));
  }

  /** A process with resource locks, which it takes in this order. */
  worker(label: string, { takes, ...options }: WorkerOptions): Instance {
    const settled = { label, connectionString: this.url, takes, ...options };
    const program = new URL('worker.js', import.meta.url);
    return this.#enter(label, startNode(program, [JSON.stringify(settled)], { env: unnamed() }));
  }

  /** A session that nobody expects, by the name that `psql` gives itself. */
  async psql(url: string = this.url): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: url, application_name: 'psql' });
    client.on('error', () => {}); // some of them are ended by a block
    await client.connect();
    this.#clients.push(client);
    return client;
  }

  /** A role of no rights, gone with the stage. */
  async role(): Promise<{ readonly name: string; readonly url: string }> {
    const name = `role_${this.database}_${this.#roles.length}`;
    await this.sql(`create role ${name} login password 'secret'`);
    this.#roles.push(name);
    const address = new URL(this.url);
    address.username = name;
    address.password = 'secret';
    return { name, url: address.href };
  }

  /** A statement of the stage's own, which is no part of the runbook. */
  sql<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return query<Row>(this.url, text, values);
  }

  async status(schema?: string): Promise<NameStatus> {
    const [status] = await readStatus({ connectionString: this.url, schema }, this.name);
    if (status === undefined) throw new Error(`Nobody has ever led ${this.name}.`);
    return status;
  }

  /** Resolves with the token of an instance that leads and is registered. */
  async led(by: string, timeoutMs = 30_000): Promise<bigint> {
    const { token } = await this.#seen<{ token: string }>(
      `select token from lockd.lease
       where label = $1 and ended_at is null
         and clock_timestamp() - beat_at < ttl_ms * interval '1 millisecond'`,
      [by],
      { timeoutMs, describe: () => `${by} leads.\n${this.instances.join('\n')}` },
    );
    await until(() => this.logs.get(by)?.some((line) => line['token'] === token), {
      describe: () => `${by} knows that it leads.\n${this.instances.join('\n')}`,
    });
    await this.registered(by);
    return BigInt(token);
  }

  /** It hears requests, and is seen by whoever asks for the status. */
  async registered(label: string): Promise<void> {
    await this.#seen(
      `select from lockd.instance i
       join lockd.advisory_locks(lockd.presence_class()) l on l.object = i.id and l.is_granted
       where i.label = $1`,
      [label],
      { describe: () => `${label} is registered.\n${this.instances.join('\n')}` },
    );
  }

  /** The first row, on a connection that is kept: an incident asks often. */
  #seen<Row>(text: string, values: unknown[], options: UntilOptions): Promise<Row> {
    const look = async () => {
      await sleep(20);
      this.#watch ??= await this.psql();
      try {
        return (await this.#watch.query(text, values)).rows[0];
      } catch (error) {
        this.#watch = undefined; // the server has gone, and may be back
        throw error;
      }
    };
    return until(look, options);
  }

  get logs(): ReadonlyMap<string, readonly LogLine[]> {
    return new Map(
      [...new Set(this.instances.map(({ label }) => label))].map((label) => [
        label,
        this.instances.filter((one) => one.label === label).flatMap(({ log }) => log),
      ]),
    );
  }

  #enter(label: string, process: TestProcess): Instance {
    const instance = new Instance(label, process);
    this.instances.push(instance);
    return instance;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      for (const client of this.#clients) await client.end().catch(() => {});
      await Promise.all(this.instances.map((instance) => instance.stop()));
      await expectNoSessions(this.url);
    } finally {
      for (const { process } of this.instances) await process[Symbol.asyncDispose]();
      for (const role of this.#roles) await this.sql(`drop owned by ${role}; drop role ${role}`);
      await this.#database[Symbol.asyncDispose]();
      await rm(this.folder, { recursive: true, force: true });
    }
  }
}

interface RunOptions {
  readonly flags?: readonly string[];
  readonly command?: readonly string[];
  readonly url?: string;
}

/** On the provided server, or on one whose databases go with it. */
export async function openStage(serverUrl?: string): Promise<Stage> {
  const database = await createDatabase(serverUrl);
  await migrate({ connectionString: database.url });
  const folder = await mkdtemp(join(tmpdir(), 'lockd-runbook-'));
  await writeTool(folder, 'lockd', '../../bin/lockd.js');
  if (!(await hasPsql)) await writeTool(folder, 'psql', 'psql.js');
  return new Stage(serverUrl === undefined ? database : undisposed(database), folder);
}

const undisposed = ({ name, url }: TestDatabase): TestDatabase => ({
  name,
  url,
  [Symbol.asyncDispose]: async () => {},
});

const hasPsql = new Promise<boolean>((resolve) => {
  execFile('psql', ['--version'], (error) => resolve(error === null));
});

/** A program that blocks find on their path. */
async function writeTool(folder: string, name: string, program: string): Promise<void> {
  const path = fileURLToPath(new URL(program, import.meta.url));
  await writeFile(join(folder, name), `#!/bin/sh\nexec '${execPath}' '${path}' "$@"\n`);
  await chmod(join(folder, name), 0o755);
}

/** What whoever runs the tests has set must not decide anything. */
export function unnamed(): Record<string, undefined> {
  const names = Object.keys(process.env).filter((name) => /^(PG|LOCKD_|DATABASE_URL$)/.test(name));
  return Object.fromEntries(names.map((name) => [name, undefined]));
}
