import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Binaries, findBinaries } from './binaries.ts';
import type { ClusterOptions, StandbyOptions } from './cluster-options.ts';
import { copyAsStandby, hasData, initData, isUnclean, makeServerFolder } from './data.ts';
import { within } from './deadline.ts';
import { claimFolder, removeLeftovers } from './leftovers.ts';
import { ServerLog } from './log.ts';
import { freePort } from './port.ts';
import { Server, StartError, type StopMode, startDeadlineMs } from './server.ts';
import { socketUrl, superuser, tcpUrl } from './urls.ts';
import { runAs, type ServerUser, serverUser, temporaryFolder, temporaryPrefix } from './user.ts';

export type { ClusterOptions, StandbyOptions } from './cluster-options.ts';

/** A PostgreSQL of our own, accepting connections when this resolves. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  return launch(options, async ({ binaries, user, dataDirectory }) => {
    if (await hasData(dataDirectory)) return;
    await initData({ binaries, user, dataDirectory, isDurable: false });
  });
}

interface Home {
  readonly folder: string;
  readonly dataDirectory: string;
  readonly binaries: Binaries;
  readonly user: ServerUser;
}

type PrepareData = (home: Home) => Promise<void>;

async function launch(options: ClusterOptions, prepareData: PrepareData): Promise<Cluster> {
  const user = await serverUser();
  const folder = options.folder ?? (await ownFolder(user, options));
  try {
    const binaries = await findBinaries({
      user,
      copyTo: join(folder, 'native'),
      binDir: options.binDir,
      packageDir: options.packageDir,
    });
    const dataDirectory = join(folder, 'data');
    await makeServerFolder(dataDirectory, user);
    await prepareData({ folder, dataDirectory, binaries, user });
    const cluster = new Cluster({ folder, dataDirectory, binaries, user }, options);
    await cluster.start();
    return cluster;
  } catch (error) {
    if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function ownFolder(user: ServerUser, { keepData }: ClusterOptions): Promise<string> {
  const folder = await temporaryFolder(user);
  if (keepData !== true) await claimFolder(folder);
  await removeLeftovers(dirname(folder), temporaryPrefix);
  return folder;
}

export class Cluster implements AsyncDisposable {
  readonly dataDirectory: string;
  readonly #home: Home;
  readonly #options: ClusterOptions;
  readonly #log = new ServerLog();
  #port: number | undefined;
  #server: Server | undefined;
  #disposal: Promise<void> | undefined;

  constructor(home: Home, options: ClusterOptions) {
    this.#home = home;
    this.#options = options;
    this.#port = options.port;
    this.dataDirectory = home.dataDirectory;
  }

  /** The postmaster's. */
  get pid(): number {
    if (this.#server === undefined) throw new Error('The cluster has no pid: it is not running.');
    return this.#server.pid;
  }

  get port(): number {
    if (this.#port === undefined) throw new Error('The cluster has no port: it never ran.');
    return this.#port;
  }

  get isRunning(): boolean {
    return this.#server !== undefined;
  }

  url(database = 'postgres'): string {
    if (this.#options.socketOnly === true) return this.socketUrl(database);
    return tcpUrl(this.port, database);
  }

  socketUrl(database = 'postgres'): string {
    return socketUrl(this.dataDirectory, this.port, database);
  }

  /** The last megabyte of what the server said, over all its restarts. */
  log(): string {
    return this.#log.text();
  }

  /** On the same data and, from the second time on, on the same port. */
  async start(): Promise<void> {
    if (this.#server !== undefined) throw new Error('The cluster is already running.');
    const mayChoose = this.#port === undefined;
    for (let attempt = 1; ; attempt += 1) {
      const port = this.#port ?? (await freePort());
      try {
        this.#server = await this.#startServer(port);
        this.#port = port;
        break;
      } catch (error) {
        const anotherWouldDo = mayChoose && error instanceof StartError && error.portTaken;
        if (!anotherWouldDo || attempt === 10) throw error;
      }
    }
    const server = this.#server;
    void server.gone.then(() => {
      if (this.#server === server) this.#server = undefined;
    });
  }

  #startServer(port: number): Promise<Server> {
    const settings = {
      fsync: 'off',
      // In the data's folder and gone with it; elsewhere a killed process may leave some for good.
      dynamic_shared_memory_type: 'mmap',
      listen_addresses: this.#options.socketOnly === true ? '' : '127.0.0.1',
      ...this.#options.settings,
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    return Server.start({
      postgres: this.#home.binaries.postgres,
      arguments: ['-D', this.dataDirectory, '-k', this.dataDirectory, '-p', `${port}`, ...flags],
      user: this.#home.user,
      log: this.#log,
      dieWithParent: this.#options.dieWithParent ?? true,
    });
  }

  /** Resolves when no process of the server is left. Does nothing if it is not running. */
  async stop(mode: StopMode = 'fast'): Promise<void> {
    await this.#server?.stop(mode);
    this.#server = undefined;
  }

  /** Kills the postmaster, and resolves when the last of its children has noticed. */
  async crash(): Promise<void> {
    await this.#server?.kill();
    this.#server = undefined;
  }

  async restart(mode: StopMode = 'fast'): Promise<void> {
    await this.stop(mode);
    await this.start();
  }

  /**
   * A standby that streams from this cluster when this resolves. The copy is taken from stopped
   * data, so a running cluster is restarted for it: start standbys before clients connect.
   */
  async startStandby(options: StandbyOptions = {}): Promise<Cluster> {
    const isStreaming = this.isRunning;
    const settings = { ...this.#standbySettings(options), ...options.settings };
    const { binDir, packageDir } = this.#options;
    const standby = await launch(
      { binDir, packageDir, ...options, settings },
      async ({ dataDirectory, user }) => {
        if (await hasData(dataDirectory)) return;
        await this.#whileStopped(() => copyAsStandby(this.dataDirectory, dataDirectory, user));
      },
    );
    if (isStreaming) await standby.#streaming();
    return standby;
  }

  async #whileStopped(work: () => Promise<void>): Promise<void> {
    if (!this.isRunning) return work();
    await this.stop('fast');
    try {
      await work();
    } finally {
      await this.start();
    }
  }

  async #streaming(): Promise<void> {
    const streaming = /started streaming WAL from primary/;
    if (streaming.test(this.log())) return;
    const settled = new AbortController();
    try {
      await within(
        this.#log.next(streaming, settled.signal),
        startDeadlineMs,
        () => `The standby does not stream. The end of its log:\n${this.#log.tail()}`,
      );
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    } finally {
      settled.abort();
    }
  }

  #standbySettings({ applicationName = 'standby' }: StandbyOptions): Record<string, string> {
    const host = this.#options.socketOnly === true ? this.dataDirectory : '127.0.0.1';
    return {
      primary_conninfo: `host='${host}' port=${this.port} user=${superuser} application_name='${applicationName}'`,
      wal_retrieve_retry_interval: '100ms',
    };
  }

  /** Resolves when a standby takes writes. */
  async promote(): Promise<void> {
    const { binaries, user } = this.#home;
    await runAs(user, binaries.pgCtl, ['promote', '-w', '-D', this.dataDirectory]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  async #dispose(): Promise<void> {
    const { folder, keepData = false } = this.#options;
    if (keepData) return this.stop('fast');
    await this.#stopForGood();
    const leftovers = [this.dataDirectory, join(this.#home.folder, 'native')];
    for (const path of folder === undefined ? [this.#home.folder] : leftovers) {
      await rm(path, { recursive: true, force: true });
    }
  }

  async #stopForGood(): Promise<void> {
    try {
      // A crash leaves shared memory in the system, which only the next start clears up.
      if (!this.isRunning && (await isUnclean(this.dataDirectory))) await this.start();
      await this.stop('immediate');
    } catch {
      await this.crash();
    }
  }
}
