import { Socket } from 'node:net';
import pg from 'pg';
import { LockdError } from '../core/errors.ts';
import { asLockdError, asLoginError, replica } from './failures.ts';
import type { Hosts } from './hosts.ts';
import { types } from './types.ts';

export interface SessionSettings {
  readonly hosts: Hosts;
  readonly applicationName: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** The session ended by itself. Called at most once, and not after `destroy()`. */
  readonly lost?: ((error: Error) => void) | undefined;
  readonly notified?: ((channel: string, payload: string) => void) | undefined;
  /** Questions are sent without waiting for the answers before them. */
  readonly isPipelined?: boolean | undefined;
}

export interface Answer {
  // biome-ignore lint/suspicious/noExplicitAny: rows are typed where they are read
  readonly rows: any[];
  /** What the server warned of while it answered. */
  readonly warnings: readonly string[];
}

/** Of silence, then a probe a second: ten without an answer, and the kernel gives the connection up. */
const keepAliveMs = 5_000;

/** What a server says of itself unasked; `pg` has no word for it. */
interface Reporting {
  readonly connection: {
    on(
      event: 'parameterStatus',
      hear: (told: { parameterName: string; parameterValue: string }) => void,
    ): void;
  };
}

/** What the configuration, or the address, may have made it; `pg` would answer for the server then. */
interface Impatient {
  readonly connectionParameters: { query_timeout: number };
}

/** The server keeps at most this many bytes of an application name. */
const applicationNameBytes = 63;

/** One connection of our own: never from a pool, one statement at a time, cut rather than repaired. */
export class Session {
  readonly #client: pg.Client;
  readonly #socket: Socket;
  readonly #settings: SessionSettings;
  #isOver = false;
  #reason: LockdError | undefined;
  #warnings: string[] = [];

  private constructor(client: pg.Client, socket: Socket, settings: SessionSettings) {
    this.#client = client;
    this.#socket = socket;
    this.#settings = settings;
    // A dead backend is reported two or three times, and an unheard 'error' kills the process.
    client.on('error', (error) => this.#end(error));
    client.on('end', () => this.#end(new Error('the connection was closed')));
    client.on('notice', ({ code, message }) => {
      // By its class: the severity comes in the server's language.
      if (code?.startsWith('01')) this.#warnings.push(message ?? 'no text');
    });
    client.on('notification', ({ channel, payload }) => {
      settings.notified?.(channel, payload ?? '');
    });
  }

  /** A session made ready by `prepare`. Aborting cuts it until then; afterwards it is the caller's. */
  static async prepared<Ready>(
    settings: SessionSettings,
    prepare: (session: Session) => Promise<Ready>,
  ): Promise<Ready> {
    const session = await Session.open(settings);
    const cut = (): void => session.destroy();
    settings.signal?.addEventListener('abort', cut, { once: true });
    try {
      const ready = await prepare(session);
      settings.signal?.throwIfAborted();
      return ready;
    } catch (error) {
      session.destroy();
      throw error;
    } finally {
      settings.signal?.removeEventListener('abort', cut);
    }
  }

  /** On the one host that was named, or on the primary of several; `timeoutMs` is for all of them. */
  static open(settings: SessionSettings): Promise<Session> {
    const { hosts, timeoutMs } = settings;
    const { length } = hosts.all;
    return hosts.first((config) =>
      Session.#openOn(config, settings, timeoutMs / length, length > 1),
    );
  }

  static async #openOn(
    config: pg.ClientConfig,
    settings: SessionSettings,
    timeoutMs: number,
    mustBePrimary: boolean,
  ): Promise<Session> {
    const { signal } = settings;
    signal?.throwIfAborted();
    const socket = new Socket();
    const client = clientOn(socket, config, { ...settings, timeoutMs });
    let isReplica = false;
    (client as unknown as Reporting).connection.on('parameterStatus', (told) => {
      if (told.parameterName === 'in_hot_standby') isReplica = told.parameterValue === 'on';
    });
    const session = new Session(client, socket, settings);
    const cut = (): void => session.destroy();
    signal?.addEventListener('abort', cut, { once: true });
    try {
      await client.connect();
      signal?.throwIfAborted();
      if (mustBePrimary && isReplica) throw replica();
      return session;
    } catch (error) {
      session.destroy();
      throw asLoginError(error);
    } finally {
      signal?.removeEventListener('abort', cut);
    }
  }

  /** The backend the server named when the session began; behind a proxy, the proxy's invention. */
  get announcedBackend(): number {
    return (this.#client as unknown as { processID: number }).processID;
  }

  /** Our end of it as this machine has it; undefined for a unix socket. */
  get address(): { readonly host: string; readonly port: number } | undefined {
    const { localAddress: host, localPort: port } = this.#socket;
    return host === undefined || port === undefined ? undefined : { host, port };
  }

  /** With a name it is planned once, and kept by the server. */
  async query(text: string, values: readonly unknown[] = [], name?: string): Promise<Answer> {
    this.#warnings = [];
    try {
      const { rows } = await this.#client.query({ text, values: [...values], name });
      return { rows, warnings: this.#warnings };
    } catch (error) {
      // Why the connection was cut says more than that it was.
      throw this.#reason ?? asLockdError(error);
    }
  }

  /** A query that cuts the connection when it is not answered in time. */
  async bounded(text: string, values: readonly unknown[] = [], name?: string): Promise<Answer> {
    const { timeoutMs } = this.#settings;
    const timer = setTimeout(() => {
      this.#end(
        new LockdError(
          'LOCKD_TIMEOUT',
          `The server did not answer within ${timeoutMs} ms; the connection was cut.`,
          { isRetryable: true },
        ),
      );
    }, timeoutMs);
    try {
      return await this.query(text, values, name);
    } finally {
      clearTimeout(timer);
    }
  }

  destroy(): void {
    this.#isOver = true;
    this.#socket.destroy();
  }

  /** Says goodbye; a server that does not listen is cut off. */
  async close(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    const timer = setTimeout(() => this.#socket.destroy(), this.#settings.timeoutMs);
    await this.#client.end().catch(() => {});
    clearTimeout(timer);
    this.#socket.destroy();
  }

  #end(error: Error): void {
    this.#socket.destroy();
    if (this.#isOver) return;
    this.#isOver = true;
    this.#reason = asLockdError(error);
    this.#settings.lost?.(this.#reason);
  }
}

/** An address without a password hides from `pg` the one that is given beside it. */
function namesPassword(address = ''): boolean {
  if (!URL.canParse(address)) return false;
  const { password, searchParams } = new URL(address);
  return password !== '' || searchParams.has('password');
}

/** Reads the files that the address names, so that a certificate may be replaced while we run. */
function clientOn(
  socket: Socket,
  config: pg.ClientConfig,
  { applicationName, timeoutMs, isPipelined = false }: SessionSettings,
): pg.Client {
  try {
    const client = new pg.Client({
      ...config,
      application_name: cutToBytes(applicationName, applicationNameBytes),
      // A session that only listens would never learn of a connection that was cut in silence.
      pipeline: isPipelined,
      keepAlive: true,
      keepAliveInitialDelayMillis: keepAliveMs,
      connectionTimeoutMillis: timeoutMs,
      types,
      // Ours, so that it can be cut: `end()` waits for ever on a half-open connection.
      stream: () => socket,
    });
    if (config.password !== undefined && !namesPassword(config.connectionString)) {
      Object.assign(client, { password: config.password });
    }
    // A pool's settings are often ours as well, and an attempt stands in line longer than a query may.
    (client as unknown as Impatient).connectionParameters.query_timeout = 0;
    return client;
  } catch (error) {
    throw asLockdError(error);
  }
}

function cutToBytes(text: string, bytes: number): string {
  let cut = text;
  while (Buffer.byteLength(cut) > bytes) cut = [...cut].slice(0, -1).join('');
  return cut;
}
