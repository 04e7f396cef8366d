import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { migrate } from '../../src/index.ts';
import { type Claim, readClaims, violations } from './claims.ts';
import { createDatabase, query, type TestDatabase } from './database.ts';
import { expectNoSessions } from './leaks.ts';
import { type MarkedProcess, markedProcesses } from './marked.ts';
import { startCli } from './processes.ts';
import { Run, signal } from './run.ts';
import { now } from './story.ts';
import { until } from './wait.ts';

/** How the command behaves: see test/support/worker.js. */
export interface Worker {
  /** From the first TERM, INT or QUIT until it exits. Default: at once. */
  readonly finishMs?: number | 'never';
  readonly exitCode?: number;
  /** Ends by itself, by `endsBy` if that is named. */
  readonly endsMs?: number;
  readonly endsBy?: NodeJS.Signals;
  /** Starts another one in its group. */
  readonly below?: Pick<Worker, 'finishMs'>;
}

export interface RunSettings {
  readonly flags?: readonly string[];
  /** Another way to the same database. */
  readonly url?: string;
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface TermRow {
  readonly token: string;
  readonly label: string;
  readonly ended_by: string | null;
  readonly reason: string | null;
}

const script = fileURLToPath(new URL('worker.js', import.meta.url));

/**
 * One name in a database of its own, and several `lockd run` that want to work under it; or one resource,
 * and several `lockd lock` that want to hold it. Disposing
 * of it stops them all and proves that no two terms overlapped, that nobody worked beyond the end of
 * a term, and that no process, no session and no lock is left.
 */
export async function openWorkshop(ttlMs: number, serverUrl?: string): Promise<Workshop> {
  const database = await createDatabase(serverUrl);
  await migrate({ connectionString: database.url });
  return new Workshop(ttlMs, database, await mkdtemp(join(tmpdir(), 'lockd-test-')));
}

export class Workshop implements AsyncDisposable {
  readonly ttlMs: number;
  readonly url: string;
  readonly name = 'led';
  readonly resource = 'held';
  /** Gone with the workshop. */
  readonly folder: string;
  /** In the arguments of every command, and in the environment of whatever was started for it. */
  readonly marker = `marker-${randomUUID()}`;
  readonly #database: TestDatabase;
  readonly #runs: Run[] = [];

  constructor(ttlMs: number, database: TestDatabase, folder: string) {
    this.ttlMs = ttlMs;
    this.#database = database;
    this.folder = folder;
    this.url = database.url;
  }

  /** `lockd run`, started. */
  run(label: string, worker: Worker = {}, settings: RunSettings = {}): Run {
    return this.#start(['run', this.name, '--ttl'], label, worker, settings);
  }

  /** `lockd lock`, started. */
  lock(
    label: string,
    worker: Worker = {},
    { resource = this.resource, ...settings }: RunSettings & { readonly resource?: string } = {},
  ): Run {
    return this.#start(['lock', resource, '--lease'], label, worker, settings);
  }

  #start(
    verb: readonly string[],
    label: string,
    worker: Worker,
    { flags = [], url, command, env }: RunSettings,
  ): Run {
    const words = command ?? this.command;
    const options = [`${this.ttlMs}ms`, '--label', label, ...flags];
    const process = startCli([...verb, ...options, '--', ...words], {
      env: { ...this.environment(label, worker), DATABASE_URL: url ?? this.url, ...env },
    });
    const run = new Run(label, process, (which) => this.claims(which));
    this.#runs.push(run);
    return run;
  }

  get command(): readonly string[] {
    return [execPath, script, this.marker];
  }

  /** What the command has to know. */
  environment(label: string, worker: Worker = {}): Readonly<Record<string, string>> {
    return {
      WORKER: JSON.stringify({ label, ...worker }),
      WORKER_CLAIMS: this.#claimsFile,
      WORKER_MARKER: this.marker,
    };
  }

  get #claimsFile(): string {
    return join(this.folder, 'claims');
  }

  claims(which: Partial<Claim> = {}): Claim[] {
    const wanted = Object.entries(which);
    return readClaims(this.#claimsFile).filter((claim) =>
      wanted.every(([key, value]) => claim[key as keyof Claim] === value),
    );
  }

  /** The first claim like this one; from then on it is known to be there. */
  claimed(which: Partial<Claim>, timeoutMs = 15_000): Promise<Claim> {
    return until(() => this.claims(which)[0], {
      timeoutMs,
      describe: () =>
        `somebody claims ${JSON.stringify(which)}. What was said:\n${this.#runs.join('\n')}`,
    });
  }

  lastClaim(which: Partial<Claim> = {}): number {
    return Math.max(...this.claims(which).map(({ at }) => at));
  }

  /** An environment for `lockd run` on a machine where no process learns of its parent's death. */
  async withoutSetpriv(): Promise<{ PATH: string }> {
    await symlink('/bin/sh', join(this.folder, 'sh'));
    return { PATH: this.folder };
  }

  /** Resolves when a `lockd lock` of this label stands in line. */
  async inLine(label: string): Promise<void> {
    await until(async () => (await this.#labels('waiting')).includes(label), {
      timeoutMs: 20_000,
      describe: () => `${label} stands in line. What was said:\n${this.#runs.join('\n')}`,
    });
  }

  /** Whose holds there are, and whose waits. */
  async standing(): Promise<{ holders: readonly string[]; waiters: readonly string[] }> {
    return { holders: await this.#labels('holding'), waiters: await this.#labels('waiting') };
  }

  async #labels(view: 'holding' | 'waiting'): Promise<readonly string[]> {
    const rows = await query<{ label: string }>(this.url, `select label from lockd.${view}`);
    return rows.map(({ label }) => label);
  }

  /** Of the terms so far, oldest first. */
  terms(): Promise<TermRow[]> {
    return query<TermRow & Record<string, unknown>>(
      this.url,
      'select token, label, ended_by, reason from lockd.term order by token',
    );
  }

  /** Resolves when the leader has beaten this many times more. */
  async beats(count: number): Promise<void> {
    const before = await this.#beat();
    const isBeaten = async () => {
      const { token, beat } = await this.#beat();
      return token === before.token && beat >= before.beat + count;
    };
    await until(isBeaten, { describe: `there are ${count} more beats of term ${before.token}` });
  }

  async #beat(): Promise<{ token: string; beat: number }> {
    const [row] = await query(this.url, 'select token, beat::int from lockd.lease');
    return row as { token: string; beat: number };
  }

  /** When the lease runs out for everybody, by the latest beat; a few ms late at most. */
  async leaseEnd(): Promise<number> {
    const [row] = await query<{ age: number }>(
      this.url,
      `select extract(epoch from clock_timestamp() - beat_at)::float8 * 1000 as age from lockd.lease`,
    );
    return now() - (row?.age ?? 0) + this.ttlMs;
  }

  /** Everything alive that was started for the commands, guards and supervisors included. */
  alive(): Promise<MarkedProcess[]> {
    return markedProcesses(this.marker);
  }

  /** The commands that run, of all terms or of this one. */
  async commands(token = ''): Promise<MarkedProcess[]> {
    return (await this.#started(token)).filter(({ args }) => !args.includes('lockd-stub'));
  }

  /** Those that wait for the word to become one. */
  async stubs(token: string): Promise<MarkedProcess[]> {
    return (await this.#started(token)).filter(({ args }) => args.includes('lockd-stub'));
  }

  #started(token: string): Promise<MarkedProcess[]> {
    return markedProcesses(this.marker, `LOCKD_TOKEN=${token}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    let left: MarkedProcess[] = [];
    try {
      await Promise.all(this.#runs.map((run) => run.stop()));
      const isEmpty = async () => {
        left = await this.alive();
        return left.length === 0;
      };
      await until(isEmpty, {
        describe: () => `no process is left; left are ${JSON.stringify(left)}`,
      });
      await expectNoSessions(this.url);
      expect(await violations(this.claims(), this.url)).toEqual([]);
    } finally {
      for (const { pid } of left) signal(pid, 'SIGKILL');
      for (const { process } of this.#runs) await process[Symbol.asyncDispose]();
      await this.#database[Symbol.asyncDispose]();
      await rm(this.folder, { recursive: true, force: true });
    }
  }
}
